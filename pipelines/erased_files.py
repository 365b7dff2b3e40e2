"""Quarantine, predictions, decisions, snapshots and exports without an erased person.

Which tables name a person is read from their columns: `customer_id`, `visitor_id`, and hashes of addresses. A row that
tells of an order or a line stays without them; any other row that names the person goes. Done again, nothing changes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from pipelines import export_files, ledger, suppression
from pipelines.delivered_sql import identifier, is_out_of_space, literal, one_line
from pipelines.errors import NightshiftError
from pipelines.home import Home, move_durably, write_atomically
from pipelines.personal_data import PersonalDataKey
from pipelines.scratch import connected
from pipelines.settings import Settings
from pipelines.suppression import CUSTOMER, EMAIL, VISITOR

# A column names a person under these names, also with something before or behind, as in `email_hash`.
PERSONAL_COLUMNS = {CUSTOMER: CUSTOMER, VISITOR: VISITOR, "email": EMAIL, "email_hash": EMAIL}
_FACTS = {"order_id", "order_line_id", "return_id", "shipment_id"}


class ErasedFiles:
    """The files of one home; every method returns what it changed."""

    def __init__(self, home: Home, settings: Settings, key: PersonalDataKey) -> None:
        self.home, self.settings, self.key = home, settings, key

    def leftovers(self) -> None:
        """What killed commands left half written may name anyone; nobody reads it again."""
        working = (
            "raw/*/.staging",
            "spool/*/plain",
            "spool/*/objects",
            "spool/*/*/.incoming",
            "snapshots/.being-written",
            "exports/.spill",
        )
        for pattern in (*working, ".check-*", ".erase-*"):
            for folder in self.home.root.glob(pattern):
                shutil.rmtree(folder)
        for path in self.home.root.glob(".*.tmp"):
            path.unlink()
        for top in ("raw", "quarantine", "spool", "suppressed", "predictions", "decisions", "exports", "ledger"):
            for path in (self.home.root / top).rglob(".*"):
                if path.is_file() and path.name != ".load.lock":
                    path.unlink()

    def quarantine(self) -> int:
        """Refused rows whose text named the person; the rows stay, their text goes."""
        total = 0
        for path in sorted(self.home.quarantine.rglob("*.parquet")):
            read = f"read_parquet({literal(str(path))}, hive_partitioning=false, file_row_number=true)"
            named = suppression.named_rows(f"select file_row_number as row, raw_text as text from {read}")
            with self._connected(path) as connection:
                rows = connection.execute(f"select count(*) from ({named})").fetchall()[0][0]
                if rows:
                    text = f"case when row is null then raw_text else {literal(suppression.ERASED)} end"
                    select = (
                        f"select * exclude (file_row_number, row) replace ({text} as raw_text) from {read} "
                        f"left join ({named}) on row = file_row_number order by file_row_number"
                    )
                    _replace(connection, select, path, "snappy")
            total += rows
        return total

    def tables(self) -> dict[str, int]:
        """Files of predictions and decisions that were written anew, and the rows that named the person."""
        found = {}
        for path in sorted([*self.home.predictions.rglob("*.parquet"), *self.home.decisions.rglob("*.parquet")]):
            with self._connected(path) as connection:
                if rows := self._rewrite(connection, path, path, "snappy"):
                    found[path.relative_to(self.home.root).as_posix()] = rows
        return found

    def snapshots(self) -> list[str]:
        """Snapshots that named the person are removed: their name is the hash of what they held."""
        found = []
        for folder in sorted(self.home.snapshots.glob("*/")):
            with self._connected(folder) as connection:
                if any(_named_rows(connection, path) for path in sorted(folder.rglob("*.parquet"))):
                    shutil.rmtree(folder)
                    found.append(folder.name)
        return found

    def exports(self, customer: str) -> dict[str, int]:
        """Exports that named the person get another data file, and a manifest that says so; see `_rewrite_export`."""
        found = {}
        for manifest in sorted(self.home.exports.glob("*/v*/as_of=*/manifest.json")):
            if rows := self._rewrite_export(manifest, customer):
                found[manifest.parent.relative_to(self.home.root).as_posix()] = rows
        for latest in self.home.exports.glob("*/v*/latest.json"):
            _point_to_manifest(latest)
        return found

    def _rewrite_export(self, manifest_file: Path, customer: str) -> int:
        """New files first, then the manifest, then the old files go: a reader finds one state or the other."""
        manifest: dict[str, Any] = json.loads(manifest_file.read_bytes())
        folder, files = manifest_file.parent, manifest["files"]
        data = [file for file in files if file.get("format", "parquet") == "parquet"]
        keys = [file for file in [manifest.get("delta", {}).get("file")] if file]
        total = sum(self._rewrite_exported(folder, file) for file in data)
        of_keys = sum(self._rewrite_exported(folder, file) for file in keys)
        if total:
            for file in files:
                if file not in data:
                    file.update(self._csv_of(folder / data[0]["name"], manifest["table"]))
            manifest["row_count"] = sum(file["rows"] for file in data)
        if total or of_keys:
            manifest["erasures"] = [*manifest.get("erasures", []), {"customer": customer, "rows": total}]
            write_atomically(manifest_file, json.dumps(manifest, indent=2).encode())
        named = {manifest_file.name, *(file["name"] for file in [*files, *keys])}
        for path in folder.iterdir():
            if path.name not in named:
                path.unlink()
        return total + of_keys

    def _rewrite_exported(self, folder: Path, file: dict[str, Any]) -> int:
        """A Parquet file of an export under the name of its new hash, and its entry in the manifest."""
        path = folder / file["name"]
        beside = path.with_name(".being-written.parquet")
        with self._connected(path) as connection:
            rows = self._rewrite(connection, path, beside, "zstd")
            if rows:
                count = connection.execute(f"select count(*) from read_parquet({literal(str(beside))})").fetchall()
                sha256 = ledger.file_sha256(beside)
                name = f"{path.name.rpartition('-')[0]}-{sha256[:12]}.{path.name.partition('.')[2]}"
                file |= {"name": name, "rows": count[0][0], "bytes": beside.stat().st_size, "sha256": sha256}
                move_durably(beside, path.with_name(name))
        return rows

    def _csv_of(self, rows: Path, table: str) -> dict[str, Any]:
        with self._connected(rows) as connection:
            written = export_files.write_csv(connection, rows, table)
        written.place()
        return written.entry

    def _rewrite(self, connection: duckdb.DuckDBPyConnection, path: Path, target: Path, compression: str) -> int:
        """Write a table without the person, if it names it; returns the rows that did."""
        rows = _named_rows(connection, path)
        if rows:
            columns = _columns(connection, path)
            named = [name for name in columns if name in PERSONAL_COLUMNS]
            read = f"read_parquet({literal(str(path))}, hive_partitioning=false, file_row_number=true)"
            if _FACTS & set(columns):
                kept = ", ".join(
                    f"case when is_named then NULL else {identifier(name)} end as {identifier(name)}" for name in named
                )
                select = f"select * exclude (file_row_number, is_named) replace ({kept}) from marked"
            else:
                select = "select * exclude (file_row_number, is_named) from marked where not is_named"
            with_marks = f"with marked as (select *, {_is_named(columns)} as is_named from {read}) "
            _replace(connection, f"{with_marks}{select} order by file_row_number", target, compression)
        return rows

    @contextmanager
    def _connected(self, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """Raises `NightshiftError` when `path` cannot be searched: what cannot be read may name the person."""
        with connected(self.home, self.settings) as connection:
            self.key.prepare(connection)
            suppression.define(connection, self.key.suppressed)
            try:
                yield connection
            except duckdb.Error as error:
                if is_out_of_space(error):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
                raise NightshiftError(
                    f"{path}: cannot be searched ({one_line(error)}); if it is damaged, restore it from a back-up of "
                    "the home or remove it, and run the same command again"
                ) from error


def _named_rows(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    columns = _columns(connection, path)
    if not any(name in PERSONAL_COLUMNS for name in columns):
        return 0
    read = f"read_parquet({literal(str(path))}, hive_partitioning=false)"
    return int(connection.execute(f"select count(*) from {read} where {_is_named(columns)}").fetchall()[0][0])


def _columns(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    read = f"read_parquet({literal(str(path))}, hive_partitioning=false)"
    return [row[0] for row in connection.execute(f"describe from {read}").fetchall()]


def _is_named(columns: list[str]) -> str:
    tests = []
    for name in columns:
        if kind := PERSONAL_COLUMNS.get(name):
            # Addresses are hashes since they were loaded.
            value = f"{identifier(name)}::VARCHAR"
            hashed = value if kind == EMAIL else suppression.hash_of(kind, value)
            tests.append(f"coalesce({hashed} in (select hash from suppressed where kind = '{kind}'), false)")
    return f"({' or '.join(tests)})"


def _replace(connection: duckdb.DuckDBPyConnection, select: str, path: Path, compression: str) -> None:
    beside = path.with_name(f".{path.name}.erased")
    connection.execute(f"copy ({select}) to {literal(str(beside))} (format parquet, compression {compression})")
    move_durably(beside, path)


def _point_to_manifest(latest: Path) -> None:
    content = json.loads(latest.read_bytes())
    sha256 = hashlib.sha256((latest.parent / content["manifest"]).read_bytes()).hexdigest()
    if content["manifest_sha256"] != sha256:
        write_atomically(latest, json.dumps({**content, "manifest_sha256": sha256}, indent=2).encode())
