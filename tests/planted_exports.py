"""Nights of an export whose rows a test writes by hand: what to order of each SKU, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines.exports import ExportReport, ExportTable, export_table
from pipelines.home import Home, write_atomically
from pipelines.settings import Settings
from pipelines.sources import Store
from pipelines.warehouse import Warehouse

STORE = Store(name="s", timezone="Europe/London", currency="GBP", country="GB")
# `key` is a name that SQL has to quote; `days_left` differs every night.
PLAN = ExportTable("plan", 1, ("as_of", "level", "key"), "demand", ("days_left",))
COLUMNS = {
    "as_of": "DATE",
    "level": "VARCHAR",
    "key": "VARCHAR",
    "days_left": "INTEGER",
    "order_quantity": "INTEGER",
    "margin_amount": "DECIMAL(18,2)",
    "reason": "VARCHAR",
    "method": "VARCHAR",
    "model_version": "VARCHAR",
    "run_id": "VARCHAR",
}
# key, order_quantity, margin_amount, reason; the level is sku.
Row = tuple[str, int | None, str | None, str | None]


def plant(home: Home, as_of: date, rows: Sequence[Row], columns: dict[str, str] | None = None) -> None:
    """Leave a warehouse as a build for the day would; columns beyond those of a row are null."""
    columns = columns or COLUMNS
    path = home.warehouse
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema exports")
        made = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        connection.execute(f"create table exports.exp_plan ({made})")
        names = [name for name in COLUMNS if name in columns]
        for key, quantity, margin, reason in sorted(rows, reverse=True):
            values = [as_of, "sku", key, as_of.day, quantity, margin, reason, "lightgbm", f"v{as_of.day}"]
            places = ", ".join("?" for _ in names)
            listed = ", ".join(f'"{name}"' for name in names)
            connection.execute(f"insert into exports.exp_plan ({listed}) values ({places})", [*values, f"run-{as_of}"])
    state = {"as_of": str(as_of), "inputs": "i", "snapshot": "s"}
    write_atomically(home.root / "warehouse.json", json.dumps(state).encode())


def deliver(
    home: Home,
    as_of: date,
    rows: Sequence[Row],
    columns: dict[str, str] | None = None,
    table: ExportTable = PLAN,
    settings: Settings | None = None,
) -> ExportReport:
    """Export rows as a day's plan."""
    plant(home, as_of, rows, columns)
    return export_planted(home, as_of, table, settings)


def export_planted(
    home: Home, as_of: date, table: ExportTable = PLAN, settings: Settings | None = None
) -> ExportReport:
    warehouse = Warehouse(home, settings or Settings.load(home=home.root), STORE, as_of)
    return export_table(warehouse, table, [], lambda line: None)


def manifest_of(report: ExportReport) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((report.path.parent / "manifest.json").read_text())
    return content


def folder_of(home: Home, version: int = 1) -> Path:
    return home.exports / "plan" / f"v{version}"


def promise_a_column_that_is_none(home: Path, like: Path, table: str) -> Path:
    """The contract of an export of the home `like` as if its version had once had a column that it has no more."""
    schema = json.loads((like / "exports" / table / "v1" / "schema.json").read_text())
    key = next(iter(schema["properties"]))
    schema["properties"]["gone_units"] = schema["properties"][key]
    path = home / "exports" / table / "v1" / "schema.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema))
    return path
