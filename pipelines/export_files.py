"""The files of one night of an export, written beside: rows as Parquet and CSV, and the keys that changed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines import ledger
from pipelines.delivered_sql import identifier, is_out_of_space, literal
from pipelines.export_contract import Contract
from pipelines.home import Home, move_durably
from pipelines.settings import Settings
from pipelines.spreadsheet import harmless_sql

SPILL = ".spill"
CHANGES = ("inserted", "updated", "deleted")


@dataclass(frozen=True)
class Written:
    """A finished file that has not got its name yet, and what a manifest says of it."""

    beside: Path
    entry: dict[str, Any]

    def place(self) -> None:
        """Give it its name, unless the same bytes bear it already."""
        target = self.beside.with_name(self.entry["name"])
        if target.exists() and ledger.file_sha256(target) == self.entry["sha256"]:
            self.beside.unlink()
        else:
            move_durably(self.beside, target)


@contextmanager
def reading(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to files of exports; what does not fit into memory spills beside them, until the next export."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": settings.threads,
        "memory_limit": settings.memory_limit,
        "temp_directory": str(home.exports / SPILL),
    }
    with duckdb.connect(config=config) as connection:
        yield connection


def parquet(path: str | Path) -> str:
    """A relation of one Parquet file, of its own columns alone."""
    return f"read_parquet({literal(str(path))}, hive_partitioning=false)"


def write_rows(connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, folder: Path) -> Written:
    """The rows of a relation as Parquet, in the order of the key."""
    columns = ", ".join(map(identifier, contract.names))
    keys = ", ".join(map(identifier, contract.key))
    return _write(connection, f"select {columns} from {relation} order by {keys}", folder, contract.table, "parquet")


def write_csv(connection: duckdb.DuckDBPyConnection, rows: Path, table: str) -> Written:
    """The rows of a Parquet file as CSV; text that a spreadsheet would run as a formula begins with an apostrophe."""
    described = connection.execute(f"describe from {parquet(rows)}").fetchall()
    cells = ", ".join(
        f"{harmless_sql(identifier(name))} as {identifier(name)}" if kind == "VARCHAR" else identifier(name)
        for name, kind, *_ in described
    )
    return _write(connection, f"select {cells} from {parquet(rows)}", rows.parent, table, "csv")


def write_delta(
    connection: duckdb.DuckDBPyConnection, now: Path, before: Path, contract: Contract, not_compared: Iterable[str]
) -> Written:
    """The keys in which two nights differ, with `change`: inserted, updated or deleted, as Parquet.

    `as_of` is no part of the key. A column that `before` has not got was null there.
    """
    keys = contract.row_key
    left_out = {"as_of", *keys, *not_compared}
    known = {row[0] for row in connection.execute(f"describe from {parquet(before)}").fetchall()}
    compared = [name for name in contract.names if name not in left_out]
    differs = " or ".join(
        f"n.{identifier(name)} is distinct from {f'b.{identifier(name)}' if name in known else 'null'}"
        for name in compared
    )
    select = f"""
        select case when b.is_there is null then 'inserted' when n.is_there is null then 'deleted'
            else 'updated' end as change, {", ".join(map(identifier, keys))}
        from (select true as is_there, * from {parquet(now)}) as n
        full join (select true as is_there, * from {parquet(before)}) as b using ({", ".join(map(identifier, keys))})
        where n.is_there is null or b.is_there is null or {differs or "false"}
        order by {", ".join(map(identifier, keys))}"""
    return _write(connection, select, now.parent, f"{contract.table}.delta", "parquet")


def _write(connection: duckdb.DuckDBPyConnection, select: str, folder: Path, stem: str, form: str) -> Written:
    beside = folder / f".being-written.{stem}.{form}"
    options = "format parquet, compression zstd" if form == "parquet" else "format csv, header true"
    try:
        rows = connection.execute(f"copy ({select}) to {literal(str(beside))} ({options})").fetchall()[0][0]
    except duckdb.Error as error:
        if is_out_of_space(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(beside)) from error
        raise
    sha256 = ledger.file_sha256(beside)
    table, _, kind = stem.partition(".")
    name = f"{table}-{sha256[:12]}.{f'{kind}.' if kind else ''}{form}"
    return Written(
        beside, {"name": name, "format": form, "rows": rows, "bytes": beside.stat().st_size, "sha256": sha256}
    )
