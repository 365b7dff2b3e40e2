"""Contracted tables to files: rows, changed keys and a manifest, made visible by one atomic step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from models.questions import NAMES, description
from pipelines import export_files, scoring
from pipelines.export_contract import Contract, refuse_breaking
from pipelines.export_files import CHANGES, SPILL, Written, parquet
from pipelines.export_night import DDL_FILE, LATEST, MANIFEST, SCHEMA_FILE, latest_of
from pipelines.home import Home, write_atomically
from pipelines.ledger import file_sha256
from pipelines.sinks.postgres_schema import ddl
from pipelines.warehouse import Warehouse

Log = Callable[[str], None]


LINEAGE = ("run_id", "model_version", "method")


@dataclass(frozen=True)
class ExportTable:
    """One promise to ops systems: its major version, its key, and the model whose predictions it carries."""

    name: str
    version: int
    key: tuple[str, ...]
    model: str
    not_compared: tuple[str, ...]


EXPORTS = {
    export.name: ExportTable(export.name, export.version, export.key, model, export.not_compared)
    for model in NAMES
    for export in description(model).exports
}


def not_compared(table: ExportTable) -> list[str]:
    """The columns whose change alone makes no row a changed one."""
    return ["as_of", *table.not_compared, *LINEAGE]


@dataclass(frozen=True)
class ExportReport:
    """What was delivered: `status` is written or unchanged, `completeness` complete or partial."""

    table: str
    path: Path
    rows: int
    status: str
    completeness: str


def export_table(warehouse: Warehouse, table: ExportTable, late_feeds: list[str], log: Log) -> ExportReport:
    """Write one night of a table. Files lie beside the manifest under names of their hashes, so the manifest alone
    decides what is visible; `latest.json` moves last, and never backwards.

    Raises `NightshiftError`, with nothing written, when the table broke its version's contract.
    """
    root = warehouse.home.exports / table.name / f"v{table.version}"
    folder = root / f"as_of={warehouse.as_of}"
    with warehouse.reading() as connection:
        contract = Contract.of_table(connection, table.name, table.version, table.key)
        _keep_contract(root, contract)
        folder.mkdir(parents=True, exist_ok=True)
        _forget_half_written(warehouse.home, root, folder)
        rows = export_files.write_rows(connection, f"exports.exp_{table.name}", contract, folder)
    with export_files.reading(warehouse.home, warehouse.settings) as connection:
        written = [rows]
        if warehouse.settings.export_csv:
            written.append(export_files.write_csv(connection, rows.beside, table.name))
        delta, delta_file = _delta(connection, warehouse.home, table, warehouse.as_of, rows, contract)
        manifest = {
            **_facts(connection, warehouse, table, contract, rows),
            "files": [file.entry for file in written],
            "completeness": "partial" if late_feeds else "complete",
            "late_feeds": late_feeds,
            "valid_until": valid_until(warehouse.as_of, warehouse.store.zone).isoformat(),
            "delta": delta,
            **_erasures(folder / MANIFEST),
        }
    status = _place(folder, [*written, *delta_file], manifest)
    move_latest(root, manifest)
    target = folder / rows.entry["name"]
    log(f"export: {table.name} {status}, {manifest['row_count']:,} rows in {target}")
    return ExportReport(table.name, target, manifest["row_count"], status, manifest["completeness"])


def _keep_contract(root: Path, contract: Contract) -> None:
    """Write the version's schemas, or see that they hold what was promised before."""
    schema = root / SCHEMA_FILE
    if schema.exists():
        refuse_breaking(Contract.of_json_schema(schema.read_bytes()), contract)
    # The schema comes last: it is what the next night is held against.
    for path, content in ((root / DDL_FILE, ddl(contract).encode()), (schema, contract.json_schema())):
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)


def _forget_half_written(home: Home, *folders: Path) -> None:
    """What an export that was killed left; the home is held, so nobody writes it now."""
    shutil.rmtree(home.exports / SPILL, ignore_errors=True)
    for folder in folders:
        for path in folder.glob(".*"):
            path.unlink()


def _place(folder: Path, files: list[Written], manifest: dict[str, Any]) -> str:
    """Files first, then the manifest, then what it no longer names goes."""
    manifest_file = folder / MANIFEST
    content = json.dumps(manifest, indent=2).encode()
    status = "unchanged" if manifest_file.exists() and manifest_file.read_bytes() == content else "written"
    for file in files:
        file.place()
    if status == "written":
        write_atomically(manifest_file, content)
    named = {MANIFEST, *(file.entry["name"] for file in files)}
    for path in folder.iterdir():
        if path.name not in named:
            path.unlink()
    return status


def _facts(
    connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, table: ExportTable, contract: Contract, rows: Written
) -> dict[str, Any]:
    """What the manifest says of the rows and where they come from."""
    count, run_ids, versions, methods = connection.execute(
        "select count(*), list(distinct run_id order by run_id), list(distinct model_version order by model_version), "
        f"list(distinct method order by method) from {parquet(rows.beside)}"
    ).fetchall()[0]
    return {
        "table": table.name,
        "version": table.version,
        "as_of": str(warehouse.as_of),
        "key": list(table.key),
        "schema": contract.schema(),
        "not_compared": not_compared(table),
        "row_count": count,
        "run_id": run_ids[0] if run_ids else None,
        "snapshot": warehouse.built().snapshot,
        "model_versions": versions or [],
        "methods": methods or [],
        "fallback_reason": scoring.fallback_reason(warehouse.home, table.model, warehouse.as_of),
    }


def _erasures(manifest_file: Path) -> dict[str, Any]:
    """What was erased from an earlier export of the day: whoever took it then still has to be told."""
    before = json.loads(manifest_file.read_bytes()) if manifest_file.exists() else {}
    return {name: before[name] for name in ("erasures",) if name in before}


def _delta(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    table: ExportTable,
    as_of: date,
    rows: Written,
    contract: Contract,
) -> tuple[dict[str, Any], list[Written]]:
    """What the manifest says of changes against the newest earlier day's export, and the file of their keys.

    The lineage differs every night for the same key and is not compared.
    """
    previous = _previous(home, table, as_of)
    if previous is None:
        counts = dict.fromkeys(CHANGES, 0) | {"inserted": rows.entry["rows"]}
        return {"against": None, "against_sha256": None, **counts, "file": None}, []
    day, path, sha256 = previous
    file = export_files.write_delta(connection, rows.beside, path, contract, (*table.not_compared, *LINEAGE))
    counted = connection.execute(f"select change, count(*) from {parquet(file.beside)} group by change").fetchall()
    counts = dict.fromkeys(CHANGES, 0) | dict(counted)
    return {"against": str(day), "against_sha256": sha256, **counts, "file": file.entry}, [file]


def _previous(home: Home, table: ExportTable, as_of: date) -> tuple[date, Path, str] | None:
    """Day, rows and their SHA-256 of the newest export before a day."""
    days = []
    for path in (home.exports / table.name / f"v{table.version}").glob(f"as_of=*/{MANIFEST}"):
        day = date.fromisoformat(path.parent.name.removeprefix("as_of="))
        if day < as_of:
            days.append((day, path))
    if not days:
        return None
    day, path = max(days)
    rows = json.loads(path.read_bytes())["files"][0]
    return day, path.parent / rows["name"], rows["sha256"]


def move_latest(root: Path, manifest: dict[str, Any], is_going_back: bool = False) -> None:
    """Point `latest.json` to a night, to an earlier one than it does only when `is_going_back`."""
    latest = root / LATEST
    if latest.exists() and json.loads(latest.read_text())["as_of"] > manifest["as_of"] and not is_going_back:
        return
    sha256 = file_sha256(root / f"as_of={manifest['as_of']}" / MANIFEST)
    encoded = json.dumps(latest_of(manifest, sha256), indent=2).encode()
    if not latest.exists() or latest.read_bytes() != encoded:
        write_atomically(latest, encoded)


def valid_until(as_of: date, zone: ZoneInfo) -> datetime:
    """Noon, in the store's time zone, of the day by whose morning the next export is due."""
    return datetime.combine(as_of + timedelta(days=2), time(12), zone)
