"""A judged batch to files beside: a Parquet file of the loaded rows and one of the refused rows for each day."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import ledger
from pipelines.batch_judging import REFUSED
from pipelines.contract_sql import Reason
from pipelines.delivered_sql import identifier, literal
from pipelines.feeds import LINEAGE_COLUMNS
from pipelines.ledger import Partition
from pipelines.masking import masked_refusal
from pipelines.touched import touched_dates

if TYPE_CHECKING:
    from pipelines.load_batch import Batch, DayCounts

# A day of so many rows is written by a statement of its own; of smaller ones, which that costs more than their rows,
# as many at once as a processor's cache holds while they are sorted.
_LARGE_DAY, _ROWS_AT_ONCE = 10_000, 50_000


def write_days(batch: Batch, counts: Sequence[DayCounts], held: Mapping[date, Partition]) -> list[dict[str, Any]]:
    """Write each day's Parquet and quarantine into staging; returns the ledger's entries, one a day.

    `held` are the feed's days before the load. Rows are ordered by key, so that equal rows give equal bytes, whatever
    other days are in the batch.
    """
    columns = ", ".join(identifier(column.name) for column in (*batch.feed.columns, *LINEAGE_COLUMNS))
    # Daily drops lie in the batch day by day; a history may be in any order, and no day should scan all of it.
    kind, order = ("table", " order by ds") if batch.source.is_bulk else ("view", "")
    batch.connection.execute(
        f"create temp {kind} accepted as select ds, {columns} from checked where refusal is null{order}"
    )
    touched = touched_dates(batch.connection, batch.feed, batch.staging.parent, held, [day.ds for day in counts])
    for group in _groups(counts):
        _write_group(batch, group, columns)
    entries = []
    for day in counts:
        path = batch.staging / f"{day.ds}.parquet"
        if day.rows_loaded == 0:
            _copy(batch, f"select {columns} from accepted limit 0", path)
        if day.rows_quarantined:
            write_quarantine(batch, day.ds)
        sha256 = ledger.file_sha256(path)
        entries.append({**asdict(day), "ds": str(day.ds), "sha256": sha256, "touched": touched[day.ds]})
    return entries


def write_quarantine(batch: Batch, ds: date) -> Path:
    """Write the day's refused rows: file, line where it is known, reason, column, masked text."""
    fields = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in batch.feed.column_names)
    text = f"coalesce(raw_text, to_json(struct_pack({fields}))::VARCHAR)"
    # A line that cannot be told into columns may hold anything; elsewhere long numbers are ids and instants.
    may_hold_phones = "true" if "phone" in batch.feed.column_names else f"refusal = '{Reason.MALFORMED_LINE}:'"
    path = batch.staging / f"quarantine-{ds}.parquet"
    _copy(
        batch,
        f"""
        select '{batch.feed.name}' as feed, ds, parse_filename(delivered_file) as file, line,
            split_part(refusal, ':', 1) as reason, nullif(split_part(refusal, ':', 2), '') as column_name,
            {masked_refusal("refused_text", may_hold_phones)} as raw_text
        from (select *, {text} as refused_text from checked)
        where ds = DATE '{ds}' and {REFUSED}
        order by file, line, delivered_row, raw_text
        """,
        path,
    )
    return path


def _groups(counts: Sequence[DayCounts]) -> Iterator[list[DayCounts]]:
    """The days with rows, in order: a large one alone, others together up to so many rows."""
    group: list[DayCounts] = []
    rows = 0
    for day in counts:
        if group and (rows + day.rows_loaded > _ROWS_AT_ONCE or day.rows_loaded >= _LARGE_DAY):
            yield group
            group, rows = [], 0
        if day.rows_loaded >= _LARGE_DAY:
            yield [day]
        elif day.rows_loaded:
            group.append(day)
            rows += day.rows_loaded
    if group:
        yield group


def _write_group(batch: Batch, group: Sequence[DayCounts], columns: str) -> None:
    keys = ", ".join(identifier(name) for name in batch.feed.key)
    if group[0].rows_loaded >= _LARGE_DAY:
        ds = group[0].ds
        select = f"select {columns} from accepted where ds = DATE '{ds}' order by {keys}"
        _copy(batch, select, batch.staging / f"{ds}.parquet")
        return
    folder = batch.staging / "days"
    batch.connection.execute(
        f"copy (select ds, {columns} from accepted where ds between DATE '{group[0].ds}' and DATE '{group[-1].ds}' "
        f"order by ds, {keys}) to {literal(str(folder))} (format parquet, compression snappy, partition_by (ds))"
    )
    for day in group:
        (written,) = (folder / f"ds={day.ds}").iterdir()
        written.rename(batch.staging / f"{day.ds}.parquet")
    shutil.rmtree(folder)


def _copy(batch: Batch, select: str, path: Path) -> None:
    batch.connection.execute(f"copy ({select}) to {literal(str(path))} (format parquet, compression snappy)")
