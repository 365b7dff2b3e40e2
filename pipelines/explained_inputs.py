"""What a row of an export was made of: its rows of the feature tables, and the deliveries behind them.

Feature tables are found by what they share with the row: columns of its key, else ids that it bears. Of many rows, as
of a SKU, those of the day that the row speaks of are shown, else the newest.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from models.questions import description
from pipelines import feature_snapshot, ledger
from pipelines.delivered_sql import identifier
from pipelines.export_files import parquet
from pipelines.export_night import Night
from pipelines.exports import EXPORTS, LINEAGE
from pipelines.feeds import FEEDS
from pipelines.home import Home

_SHOWN_ROWS = 3
_WIDTH = 110
Row = Mapping[str, str | None]


def lines(connection: duckdb.DuckDBPyConnection, home: Home, night: Night, row: Row) -> Iterator[str]:
    """The rows of the snapshot that belong to a row of an export."""
    snapshot = night.manifest["snapshot"]
    folder = home.snapshots / snapshot
    yield f"what went in: snapshot {snapshot}"
    if not folder.is_dir():
        yield f"  it is not kept any more; make it again with: nightshift build --as-of {night.as_of}"
        return
    if ledger.folder_fingerprint(folder) != snapshot:
        yield f"  it is damaged; make it again with: nightshift build --as-of {night.as_of}"
        return
    for table in _tables(folder, night.table):
        relation = parquet(feature_snapshot.pattern(folder, table))
        yield from _of_table(connection, table, relation, night, row)


def loaded(home: Home, as_of: date, inputs: str) -> str:
    """What the inputs of a build are: the days of each feed, and whether they were delivered again since."""
    builds = [event for event in ledger.events(home, "builds") if event["inputs"] == inputs]
    if not builds:
        return "the ledger does not know the build"
    parts = {feed: [p for ds, p in ledger.partitions(home, feed).items() if ds <= as_of] for feed in FEEDS}
    told = []
    for feed, found in parts.items():
        if found:
            later = sum(part.loaded_at > builds[0]["recorded_at"] for part in found)
            again = f" ({later:,} delivered again since)" if later else ""
            told.append(f"{feed} {len(found):,} days to {found[-1].ds}{again}")
    return ", ".join(told)


def _tables(folder: Path, table: str) -> list[str]:
    """The tables that the export's model reads; all of a snapshot's for an export of former times."""
    there = feature_snapshot.tables_in(folder)
    if table not in EXPORTS:
        return there
    return [name for name in description(EXPORTS[table].model).tables if name in there]


@dataclass(frozen=True)
class _Link:
    """How rows of a feature table belong to the row: equal values, and the day it speaks of where it does of one."""

    columns: tuple[str, ...]
    day_column: str | None
    day: str | None


def _link(types: Mapping[str, str], night: Night, row: Row) -> _Link:
    keys = [name for name in night.contract.row_key if name in types and types[name] != "DATE"]
    ids = [name for name in row if (name == "sku" or name.endswith("_id")) and name in types and name not in LINEAGE]
    shared = keys or [name for name in ids if row[name] is not None] or [name for name in ("as_of",) if name in types]
    days = [column.name for column in night.contract.columns if column.type == "DATE" and column.name != "as_of"]
    spoken_of = [row[name] for name in days if name in night.contract.row_key]
    day_column = next((name for name, kind in types.items() if kind == "DATE"), None)
    return _Link(tuple(shared), day_column, spoken_of[0] if spoken_of else None)


def _of_table(
    connection: duckdb.DuckDBPyConnection, table: str, relation: str, night: Night, row: Row
) -> Iterator[str]:
    types = {name: kind for name, kind, *_ in connection.execute(f"describe from {relation}").fetchall()}
    link = _link(types, night, row)
    if not link.columns:
        count = connection.execute(f"select count(*) from {relation}").fetchall()[0][0]
        yield f"  {table}: all {count:,} rows; none is of this key alone"
        return
    tests = " and ".join(f"{identifier(name)}::varchar = ?" for name in link.columns)
    values, by = [row[name] for name in link.columns], f"by {', '.join(link.columns)}"
    if link.day and link.day_column:
        on_day = f"{tests} and {identifier(link.day_column)}::varchar = ?"
        if found := _rows(connection, relation, on_day, [*values, link.day], None):
            yield f"  {table}: {len(found):,} rows {by} on {link.day_column} {link.day}"
            yield from _wrapped(found)
            return
    count = connection.execute(f"select count(*) from {relation} where {tests}", values).fetchall()[0][0]
    shown = f"; the newest {_SHOWN_ROWS}" if count > _SHOWN_ROWS else ""
    yield f"  {table}: {count:,} {'row' if count == 1 else 'rows'} {by}{shown}"
    yield from _wrapped(_rows(connection, relation, tests, values, link.day_column))


def _rows(
    connection: duckdb.DuckDBPyConnection, relation: str, tests: str, values: list[str | None], day_column: str | None
) -> list[dict[str, str | None]]:
    order = f"order by {identifier(day_column)} desc" if day_column else ""
    found = connection.execute(
        f"select columns(*)::varchar from (from {relation} where {tests} {order} limit {_SHOWN_ROWS})", values
    )
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _wrapped(rows: list[dict[str, str | None]]) -> Iterator[str]:
    for row in rows:
        text = ", ".join(f"{name} {value}" for name, value in row.items() if value is not None)
        yield from textwrap.wrap(text, _WIDTH, initial_indent="    - ", subsequent_indent="      ")
