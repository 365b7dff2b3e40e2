"""Contracted tables to files: Parquet and a manifest, made visible by one atomic step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from models.questions import NAMES, description
from pipelines import scoring
from pipelines.delivered_sql import identifier, literal
from pipelines.home import Home, move_durably, write_atomically
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


@dataclass(frozen=True)
class ExportReport:
    """What was delivered: `status` is written or unchanged, `completeness` complete or partial."""

    table: str
    path: Path
    rows: int
    status: str
    completeness: str


def export_table(warehouse: Warehouse, table: ExportTable, late_feeds: list[str], log: Log) -> ExportReport:
    """Write one night of a table. The data file lies beside the manifest under a name of its hash, so the
    manifest alone decides what is visible; `latest.json` moves last, and never backwards."""
    home, as_of = warehouse.home, warehouse.as_of
    root = home.exports / table.name / f"v{table.version}"
    folder = root / f"as_of={as_of}"
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / ".being-written.parquet"
    relation = f"exports.{identifier(f'exp_{table.name}')}"
    keys = ", ".join(identifier(name) for name in table.key)
    with warehouse.reading() as connection:
        connection.execute(
            f"copy (from {relation} order by {keys}) to {literal(str(beside))} (format parquet, compression zstd)"
        )
    manifest = {**_manifest(warehouse, table, beside, late_feeds), **_erasures(folder / "manifest.json")}
    content = json.dumps(manifest, indent=2).encode()
    target = folder / manifest["files"][0]["name"]
    manifest_file = folder / "manifest.json"
    is_same = manifest_file.exists() and manifest_file.read_bytes() == content and target.exists()
    if is_same:
        beside.unlink()
    else:
        move_durably(beside, target)
        write_atomically(manifest_file, content)
        for old in folder.glob("*.parquet"):
            if old != target:
                old.unlink()
    _move_latest(warehouse, table, root, content)
    status = "unchanged" if is_same else "written"
    log(f"export: {table.name} {status}, {manifest['row_count']:,} rows in {target}")
    return ExportReport(table.name, target, manifest["row_count"], status, manifest["completeness"])


def _manifest(warehouse: Warehouse, table: ExportTable, data: Path, late_feeds: list[str]) -> dict[str, Any]:
    with data.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    read = f"read_parquet({literal(str(data))})"
    schema = [{"name": row[0], "type": row[1]} for row in duckdb.execute(f"describe from {read}").fetchall()]
    count, run_ids, versions, methods = duckdb.execute(
        "select count(*), list(distinct run_id order by run_id), list(distinct model_version order by model_version), "
        f"list(distinct method order by method) from {read}"
    ).fetchall()[0]
    return {
        "table": table.name,
        "version": table.version,
        "as_of": str(warehouse.as_of),
        "key": list(table.key),
        "schema": schema,
        "row_count": count,
        "files": [
            {
                "name": f"{table.name}-{sha256[:12]}.parquet",
                "rows": count,
                "bytes": data.stat().st_size,
                "sha256": sha256,
            }
        ],
        "run_id": run_ids[0] if run_ids else None,
        "snapshot": warehouse.built().snapshot,
        "model_versions": versions or [],
        "methods": methods or [],
        "fallback_reason": scoring.fallback_reason(warehouse.home, table.model, warehouse.as_of),
        "completeness": "partial" if late_feeds else "complete",
        "late_feeds": late_feeds,
        "delta": _delta(warehouse.home, table, warehouse.as_of, read),
    }


def _erasures(manifest_file: Path) -> dict[str, Any]:
    """What was erased from an earlier export of the day: whoever took it then still has to be told."""
    before = json.loads(manifest_file.read_bytes()) if manifest_file.exists() else {}
    return {name: before[name] for name in ("erasures",) if name in before}


def _delta(home: Home, table: ExportTable, as_of: date, read: str) -> dict[str, Any]:
    """Keys inserted, updated and deleted against the newest earlier day's export; `as_of` is no part of the key.

    The lineage differs every night for the same key and is not compared.
    """
    previous = _previous(home, table, as_of)
    if previous is None:
        row = duckdb.execute(f"select count(*) from {read}").fetchone()
        return {"against": None, "inserted": row[0] if row else 0, "updated": 0, "deleted": 0}
    before_day, before = previous
    keys = ", ".join(identifier(name) for name in table.key if name != "as_of")
    lineage = ", ".join(identifier(name) for name in ("as_of", *table.not_compared, *LINEAGE))
    rows = duckdb.execute(
        f"""
        with now as (select columns(* exclude ({lineage})) from {read}),
        before as (select columns(* exclude ({lineage})) from {before}),
        now_hashed as (select {keys}, hash(now) as content from now),
        before_hashed as (select {keys}, hash(before) as content from before)
        select count(*) filter (where b.content is null), count(*) filter (where n.content <> b.content),
            count(*) filter (where n.content is null)
        from now_hashed as n full join before_hashed as b using ({keys})
        """
    ).fetchall()[0]
    return {"against": str(before_day), "inserted": rows[0], "updated": rows[1], "deleted": rows[2]}


def _previous(home: Home, table: ExportTable, as_of: date) -> tuple[date, str] | None:
    days = []
    for path in (home.exports / table.name / f"v{table.version}").glob("as_of=*/manifest.json"):
        day = date.fromisoformat(path.parent.name.removeprefix("as_of="))
        if day < as_of:
            days.append((day, path))
    if not days:
        return None
    day, path = max(days)
    files = [str(path.parent / file["name"]) for file in json.loads(path.read_text())["files"]]
    return day, f"read_parquet([{', '.join(literal(file) for file in files)}])"


def _move_latest(warehouse: Warehouse, table: ExportTable, root: Path, encoded_manifest: bytes) -> None:
    manifest = json.loads(encoded_manifest)
    latest = root / "latest.json"
    if latest.exists() and json.loads(latest.read_text())["as_of"] > manifest["as_of"]:
        return
    content = {
        "table": table.name,
        "as_of": manifest["as_of"],
        "manifest": f"as_of={manifest['as_of']}/manifest.json",
        "manifest_sha256": hashlib.sha256(encoded_manifest).hexdigest(),
        "valid_until": valid_until(warehouse.as_of, warehouse.store.zone).isoformat(),
    }
    encoded = json.dumps(content, indent=2).encode()
    if not latest.exists() or latest.read_bytes() != encoded:
        write_atomically(latest, encoded)


def valid_until(as_of: date, zone: ZoneInfo) -> datetime:
    """Noon, in the store's time zone, of the day by whose morning the next export is due."""
    return datetime.combine(as_of + timedelta(days=2), time(12), zone)
