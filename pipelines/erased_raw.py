"""raw/ without an erased person: the suppression rule applied to every partition, as one change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from pipelines import ledger, rewriting, suppression
from pipelines.delivered_sql import identifier, literal, no_rows
from pipelines.feeds import FEEDS, LINEAGE_COLUMNS, Feed
from pipelines.home import Home
from pipelines.personal_data import PersonalDataKey
from pipelines.scratch import connected
from pipelines.settings import Settings

COMMAND = "nightshift erase --customer, with the id it was begun with"


def refuse_damaged(home: Home) -> None:
    """Raise `NightshiftError` for the first partition that names people and is not the ledger's."""
    for feed in FEEDS.values():
        if suppression.names_people(feed):
            load = ledger.current_load(home, feed.name) or {"partitions": []}
            rewriting.refuse_unknown(home, feed.name, load["partitions"])


def rewrite_raw(home: Home, settings: Settings, key: PersonalDataKey) -> tuple[dict[str, dict[str, int]], str | None]:
    """Rewrite the partitions that name a suppressed person; returns partitions and rows by feed, and the first day."""
    files: list[Path] = []
    loads: dict[str, dict[str, Any]] = {}
    counts: dict[str, dict[str, int]] = {}
    for feed in FEEDS.values():
        load = ledger.current_load(home, feed.name) if suppression.personal_columns(feed) else None
        if load and (changed := _rewritten_partitions(home, settings, key, feed, load)):
            files += [rewriting.partition_file(home, feed.name, entry) for entry, _ in changed]
            entries = {entry["ds"]: entry for entry, _ in changed}
            if load["is_bulk"]:
                # The newest event of bulk history lists all its days.
                entries = {entry["ds"]: entry for entry in load["partitions"]} | entries
            loads[feed.name] = {**load, "partitions": list(entries.values())}
            rows = {name: sum(effects.get(name, 0) for _, effects in changed) for name in ("removed", "stripped")}
            counts[feed.name] = {"partitions": len(changed), **rows}
    if files:
        rewriting.carry_out(home, COMMAND, files, loads)
    return counts, min((path.parent.name.removeprefix("ds=") for path in files), default=None)


def _rewritten_partitions(
    home: Home, settings: Settings, key: PersonalDataKey, feed: Feed, load: Mapping[str, Any]
) -> list[tuple[dict[str, Any], dict[str, int]]]:
    """Write the partitions that name a person beside; for each the new ledger entry and its rows by effect."""
    entries = {rewriting.partition_file(home, feed.name, entry): entry for entry in load["partitions"]}
    changed = []
    with connected(home, settings) as connection:
        key.prepare(connection)
        glob = home.raw / feed.name / "ds=*" / "data.parquet"
        for path in suppression.named_files(connection, feed, key.suppressed, glob):
            changed.append(_rewritten(connection, key, feed, path, entries[path]))
    return changed


def _rewritten(
    connection: duckdb.DuckDBPyConnection, key: PersonalDataKey, feed: Feed, path: Path, entry: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, int]]:
    columns = ", ".join(identifier(column.name) for column in (*feed.columns, *LINEAGE_COLUMNS))
    keys = ", ".join(identifier(name) for name in feed.key)
    # A partition of an earlier contract lacks columns that the rule and the new file have.
    connection.execute(
        f"create or replace temp table checked as {no_rows(feed)} "
        f"union all by name from read_parquet({literal(str(path))}, hive_partitioning=false)"
    )
    suppression.apply(connection, feed, key.suppressed)
    new = rewriting.beside(path)
    connection.execute(
        f"copy (select {columns} from checked where refusal is null order by {keys}) to {literal(str(new))} "
        "(format parquet, compression snappy)"
    )
    effects = dict(connection.execute("select effect, count(*) from erased_rows group by effect").fetchall())
    days = connection.execute(
        "select distinct business_date from checked where rowid in (select row from erased_rows) order by 1"
    ).fetchall()
    removed = effects.get("removed", 0)
    changes = {
        "sha256": ledger.file_sha256(new),
        "touched": [str(day) for (day,) in days],
        "rows_in": entry["rows_in"] - removed,
        "rows_loaded": entry["rows_loaded"] - removed,
        "rows_excluded": entry["rows_excluded"] + removed,
    }
    return {**entry, **changes}, effects
