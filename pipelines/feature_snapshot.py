"""The feature tables of a build as Parquet that never changes, named by its content.

A large table lies month by month of its first date, so that a night writes the months in which something changed and
shares the files of the others with the snapshot before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import ledger
from pipelines.delivered_sql import identifier, literal
from pipelines.home import Home, move_durably, write_atomically

if TYPE_CHECKING:
    import duckdb

_FEWEST_ROWS_BY_MONTH = 50_000
# What the newest snapshot's files were made of; beside the snapshots, whose names stand for their files alone.
_CONTENTS = ".newest.json"


@dataclass(frozen=True)
class _Part:
    """A file of a snapshot, the rows that belong in it, and what stands for their content to this DuckDB."""

    name: str
    rows: str
    content: str


def write(connection: duckdb.DuckDBPyConnection, home: Home) -> str:
    """Write the schema `features` as a snapshot; returns its name."""
    beside = home.snapshots / ".being-written"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    before, contents = _before(home), dict[str, str]()
    for part in _parts(connection):
        path, contents[part.name] = beside / part.name, part.content
        if before is None or before[1].get(part.name) != part.content or not _shared(before[0] / part.name, path):
            connection.execute(f"copy (from {part.rows} order by all) to {literal(str(path))} (format parquet)")
    name = ledger.folder_fingerprint(beside)
    if is_whole(home, name):
        shutil.rmtree(beside)
    else:
        shutil.rmtree(home.snapshots / name, ignore_errors=True)
        for path in beside.iterdir():
            move_durably(path, path)
        beside.rename(home.snapshots / name)
    write_atomically(home.snapshots / _CONTENTS, ledger.canonical_json({"snapshot": name, "contents": contents}))
    return name


def is_whole(home: Home, name: str) -> bool:
    """Whether the snapshot is there and every bit of it is as it was written."""
    folder = home.snapshots / name
    return folder.is_dir() and ledger.folder_fingerprint(folder) == name


def pattern(folder: Path, table: str) -> Path:
    """What the names of a table's files in a snapshot look like: one file, or one a month."""
    return folder / f"{table}.*parquet"


def files_of(folder: Path, table: str) -> list[Path]:
    """A table's files in a snapshot, in order of time; none where it has no such table."""
    return sorted(folder.glob(pattern(folder, table).name))


def tables_in(folder: Path) -> list[str]:
    return sorted({path.name.split(".")[0] for path in folder.glob("*.parquet")})


def read(folder: Path, table: str, columns: list[str] | None = None) -> Any:
    """A table as a frame of Arrow types; raises `ValueError` when the snapshot has none of that name."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = files_of(folder, table)
    if not paths:
        raise ValueError(f"it has no {table}")
    # Arrow types turn DECIMAL into float64 in one step; the default would make a Python object of each cell.
    found = pa.concat_tables([pq.read_table(path, columns=columns) for path in paths])
    return found.to_pandas(types_mapper=pd.ArrowDtype)


def row_count(folder: Path, table: str) -> int:
    import pyarrow.parquet as pq

    return sum(int(pq.read_metadata(path).num_rows) for path in files_of(folder, table))


def _before(home: Home) -> tuple[Path, dict[str, str]] | None:
    """The newest snapshot and what its files were made of; None where it is gone or not whole."""
    path = home.snapshots / _CONTENTS
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    return (home.snapshots / found["snapshot"], found["contents"]) if is_whole(home, found["snapshot"]) else None


def _shared(file: Path, path: Path) -> bool:
    """Whether `path` is now the same file."""
    try:
        os.link(file, path)
    except OSError:
        # A file system without hard links.
        return False
    return True


def _parts(connection: duckdb.DuckDBPyConnection) -> Iterator[_Part]:
    tables = connection.execute(
        "select table_name, list(column_name order by column_index), "
        "arg_min(column_name, column_index) filter (where data_type = 'DATE') "
        "from duckdb_columns() where schema_name = 'features' group by table_name order by table_name"
    ).fetchall()
    for table, columns, day in tables:
        rows, hashed = f"features.{identifier(table)}", f"sum(hash({', '.join(map(identifier, columns))}))"
        (count,) = connection.execute(f"select count(*) from {rows}").fetchall()[0]
        is_by_month = day is not None and count >= _FEWEST_ROWS_BY_MONTH
        month = f"date_trunc('month', {identifier(day)})::date" if is_by_month else "null::date"
        contents = connection.execute(
            f"select {month}, version(), count(*), {hashed} from {rows} group by all order by all"
        ).fetchall()
        if not is_by_month:
            yield _Part(f"{table}.parquet", rows, _told(columns, contents))
            continue
        for start, *content in contents:
            on = identifier(day)
            in_month = f"{on} >= date '{start}' and {on} < date '{start}' + interval 1 month"
            which = f"{on} is null" if start is None else in_month
            name = f"{table}.{'none' if start is None else f'{start:%Y-%m}'}.parquet"
            yield _Part(name, f"{rows} where {which}", _told(columns, content))


def _told(columns: list[str], contents: list[Any]) -> str:
    return ledger.fingerprint([columns, [str(value) for value in contents]])
