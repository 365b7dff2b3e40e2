"""What a batch's rows are to each other: repeated keys, and the line of the file that a refused row stands on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.contract_sql import Reason, last_word
from pipelines.delivered_sql import identifier

if TYPE_CHECKING:
    from pipelines.load_batch import Batch

# What `refusal` says of rows that are no refused ones and yet not loaded.
DUPLICATE, EXCLUDED = "duplicate", "excluded"
REFUSED = f"refusal is not null and refusal not in ('{DUPLICATE}', '{EXCLUDED}')"


def mark_duplicates(batch: Batch) -> None:
    """Keep one row a key and day: the latest state; the same content again counts as duplicate.

    Rows of one key, one instant and different content contradict each other: the first in the delivery is
    kept, the others go to quarantine. A tombstone without an instant is the day's last word.
    """
    names, key = batch.feed.column_names, batch.feed.key
    keys = ", ".join(identifier(name) for name in key)
    content = f"hash({', '.join(identifier(name) for name in names)})"
    updated = "updated_at" if "updated_at" in names else "NULL::TIMESTAMP"
    is_last = last_word(batch.feed)
    batch.connection.execute(
        f"create temp table repeated_keys as select ds, hash({keys}) as key from checked where refusal is null "
        "group by all having count(*) > 1"
    )
    if not batch.connection.execute("select 1 from repeated_keys limit 1").fetchall():
        return
    batch.connection.execute(
        f"""
        create temp table repeated as
        with ranked as (
            select checked.rowid as row, {content} as content, {updated} as updated,
                row_number() over newest as place, first_value({content}) over newest as kept_content,
                first_value({updated}) over newest as kept_updated,
                {is_last} as is_last, first_value({is_last}) over newest as is_kept_last
            from checked
            semi join repeated_keys on checked.ds = repeated_keys.ds and hash({keys}) = repeated_keys.key
            where refusal is null
            window newest as (
                partition by ds, {keys}
                order by {is_last} desc, {updated} desc nulls last, delivered_file, delivered_row
            )
        )
        select row, case when content = kept_content or updated < kept_updated or is_last < is_kept_last
            then '{DUPLICATE}' else '{Reason.CONFLICTING_KEY}:{key[0]}' end as refusal
        from ranked where place > 1
        """
    )
    batch.connection.execute(
        "update checked set refusal = repeated.refusal from repeated where checked.rowid = repeated.row"
    )


def number_lines(batch: Batch) -> None:
    """Give refused rows their line in the file, where every record is known to be one line."""
    if batch.source.format == "parquet":
        return
    found = batch.connection.execute(
        f"""
        select delivered_file, count(delivered_row), min(delivered_row),
            list(line order by line) filter (where delivered_row is null), bool_or({REFUSED})
        from checked group by delivered_file
        """
    ).fetchall()
    if not any(has_refused for *_, has_refused in found):
        return
    places = _places(batch, {path: (count, first, rejected or []) for path, count, first, rejected, _ in found})
    paths, offsets, gaps = zip(*places, strict=True) if places else ((), (), ())
    batch.connection.execute(
        f"""
        update checked set line = delivered_row + places.offset
            + len(list_filter(places.gaps, gap -> gap <= delivered_row + places.offset))
        from (
            select unnest($paths::VARCHAR[]) as path, unnest($offsets::BIGINT[]) as offset,
                unnest($gaps::BIGINT[][]) as gaps
        ) as places
        where places.path = delivered_file and delivered_row is not null and {REFUSED}
        """,
        {"paths": list(paths), "offsets": list(offsets), "gaps": list(gaps)},
    )


def _places(batch: Batch, found: Mapping[str, tuple[int, int, list[int]]]) -> list[tuple[str, int, list[int]]]:
    """Of each file with a line a record: what turns a row's place in the delivery into its line but for the lines
    that are no record, and the lines, so counted, from which each of those shifts it by one."""
    places = []
    records_before = 0
    for file in batch.files:
        count, first, rejected = found.get(str(file.path), (0, 0, []))
        gaps = [line - number for number, line in enumerate(rejected)]
        if batch.source.format == "jsonl":
            places.append((str(file.path), -records_before, gaps))
            records_before += file.newlines - len(rejected)
        elif count and file.newlines == count + len(rejected) + 1:
            places.append((str(file.path), 2 - first, gaps))
    return places
