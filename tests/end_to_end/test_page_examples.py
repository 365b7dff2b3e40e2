"""The examples of the readers' pages, in Python and in SQL, answer on planted nights what the rows by hand say."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from ops_database import VARIABLE, emptied, running_server, settings_of
from planted_exports import STORE

from pipelines.export_contract import Contract, ExportColumn
from pipelines.export_night import Night
from pipelines.export_pages import written
from pipelines.exports import EXPORTS, ExportTable, export_table
from pipelines.home import Home, write_atomically
from pipelines.settings import Settings
from pipelines.sinks import postgres
from pipelines.warehouse import Warehouse

DOCS = Path(__file__).parents[2] / "docs"
Row = Mapping[str, Any]
# The newest night is yesterday's, so that it is valid now and its first day is the database's current_date.
YESTERDAY = date.today() - timedelta(days=1)


def _day(horizon: int, **values: Any) -> Row:
    return {"forecast_date": YESTERDAY + timedelta(days=horizon), "horizon_days": horizon, **values}


FORECAST = [
    _day(1, sku="a", location_id="main", units_mean=2),
    _day(7, sku="a", location_id="main", units_mean="0.5"),
    _day(8, sku="a", location_id="main", units_mean=100),
    _day(1, sku="b", location_id="main", units_mean=1),
]
TOTALS = [
    _day(1, level="store", key="store", units_mean=3, units_p10=1, units_p90=5),
    _day(1, level="location", key="main", units_mean=3),
    _day(1, level="category", key="Shoes", units_mean=2),
    _day(2, level="category", key="Shoes", units_mean=2),
    _day(9, level="category", key="Shoes", units_mean=90),
    _day(1, level="category", key="Shoes > Women", units_mean=2),
    _day(1, level="category", key="Home", units_mean=1),
]
ADVICE = [
    {"sku": "a", "location_id": "main", "order_quantity": 12, "stockout_probability": 0.2, "reason": "low"},
    {"sku": "b", "location_id": "main", "order_quantity": 0, "stockout_probability": 0.9, "reason": "promised"},
    {"sku": "c", "location_id": "main", "order_quantity": 6, "stockout_probability": 0.7, "reason": "lower"},
]
RISKS = [
    {"order_line_id": "l1", "order_id": "o1", "recommended_action": "review", "expected_return_cost": 9},
    {"order_line_id": "l2", "order_id": "o1", "recommended_action": "none", "expected_return_cost": 99},
    {"order_line_id": "l3", "order_id": "o2", "recommended_action": "review", "expected_return_cost": 12},
]
CARTS = [
    {"cart_id": "k1", "recommended_action": "message", "expected_gain": 2},
    {"cart_id": "k2", "recommended_action": "message", "expected_gain": 1},
    {"cart_id": "k3", "recommended_action": "none", "suppressed_reason": "holdout"},
    *({"cart_id": f"k{n}", "recommended_action": "none", "suppressed_reason": "no_consent"} for n in (4, 5, 6)),
]
ROWS = {
    "demand_forecast": FORECAST,
    "demand_forecast_total": TOTALS,
    "replenishment": ADVICE,
    "return_risk": RISKS,
    "cart_recovery": CARTS,
}
RISKS_ALWAYS = {"return_probability": 0.416, "reason_1": "came back often"}


def _answer_of_python(table: str, answer: Any) -> object:
    match table:
        case "demand_forecast":
            return answer.to_dict()
        case "demand_forecast_total":
            return answer.to_numpy().tolist()
        case "replenishment":
            return [(sku, float(units)) for sku, _, units in answer.itertuples(index=False)]
        case "return_risk":
            return answer["order_line_id"].tolist()
        case "cart_recovery":
            return answer["cart_id"].tolist()
    return len(answer)


IN_PYTHON: dict[str, object] = {
    "demand_forecast": {("a", "main"): 2.5, ("b", "main"): 1.0},
    "demand_forecast_total": [[3.0, 1.0, 5.0]],
    "replenishment": [("a", 12.0), ("c", 6.0)],
    "return_risk": ["l3", "l1"],
    "cart_recovery": ["k1", "k2"],
}
IN_SQL: dict[str, object] = {
    "demand_forecast": [("a", "main", Decimal("2.5")), ("b", "main", Decimal(1))],
    "demand_forecast_total": [("Shoes", Decimal(4)), ("Home", Decimal(1))],
    "replenishment": [("c", "main", Decimal(6), 0.7, "lower"), ("a", "main", Decimal(12), 0.2, "low")],
    "return_risk": [
        ("o2", "l3", "review", Decimal("0.42"), "came back often"),
        ("o1", "l1", "review", Decimal("0.42"), "came back often"),
    ],
    "cart_recovery": [("no_consent", 3), ("to be written to", 2), ("holdout", 1)],
}
# What a table without rows of its own gets: one row, and an answer of one row.
ANY = 1


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_server() as uri:
        yield uri


def _recorded(table: ExportTable) -> Contract:
    path = DOCS / "contracts" / f"{table.name}_v{table.version}.json"
    return Contract.of_json_schema(path.read_bytes())


def _value(column: ExportColumn, as_of: date) -> Any:
    """Anything of the column's type; null where that is allowed."""
    if column.is_nullable:
        return "x" if column.name in ("method", "model_version", "run_id") else None
    kind = column.type.partition("(")[0]
    values = {"DATE": as_of, "TIMESTAMP": datetime(2025, 1, 1), "VARCHAR": "x", "BOOLEAN": True}
    return values.get(kind, 1)


def _plant(home: Home, table: ExportTable, contract: Contract, as_of: date, rows: list[Row]) -> Path:
    """A night of a table; columns that a row does not name hold anything. Returns its folder."""
    home.warehouse.unlink(missing_ok=True)
    columns = ", ".join(
        f'"{c.name}" {c.type}{"" if c.is_nullable or c.name in contract.key else " not null"}' for c in contract.columns
    )
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(f"create schema exports; create table exports.exp_{table.name} ({columns})")
        for row in rows:
            values = [{"as_of": as_of, **row}.get(c.name, _value(c, as_of)) for c in contract.columns]
            places = ", ".join("?" for _ in values)
            connection.execute(f"insert into exports.exp_{table.name} values ({places})", values)
    state = {"as_of": str(as_of), "inputs": "i", "snapshot": "s"}
    write_atomically(home.root / "warehouse.json", json.dumps(state).encode())
    warehouse = Warehouse(home, Settings.load(home=home.root), STORE, as_of)
    return export_table(warehouse, table, [], lambda line: None).path.parent


def _block(page: str, language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return str(block)


def _run_python(page: str) -> Any:
    """The last name that the page's example gives a value."""
    guide = _block((DOCS / "exports.md").read_text(), "python")
    known: dict[str, Any] = {}
    exec(guide, known)
    code = _block(page, "python")
    exec(code, known)
    assigned = [node for node in ast.parse(code).body if isinstance(node, ast.Assign)]
    (target,) = assigned[-1].targets
    assert isinstance(target, ast.Name)
    return known[target.id]


def _check(page: str, table: ExportTable, contract: Contract, tmp_path: Path, uri: str) -> tuple[object, object]:
    """What the two examples of a page answer, after two nights of the table."""
    home = Home.create(tmp_path / "var")
    rows = [{**(RISKS_ALWAYS if table.name == "return_risk" else {}), **row} for row in ROWS.get(table.name, [{}])]
    _plant(home, table, contract, YESTERDAY - timedelta(days=1), [])
    folder = _plant(home, table, contract, YESTERDAY, rows)
    postgres.apply(home, settings_of(home.root), Night(folder))
    with psycopg.connect(uri) as connection:
        answer = connection.execute(_block(page, "sql").encode()).fetchall()
    return _answer_of_python(table.name, _run_python(page)), answer if table.name in IN_SQL else len(answer)


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_the_examples_of_a_page_answer(name: str, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, table = emptied(server, "pages"), EXPORTS[name]
    monkeypatch.setenv(VARIABLE, uri)
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "exports" / f"{name}.md").read_text()
    answers = _check(page, table, _recorded(table), tmp_path, uri)
    assert answers == (IN_PYTHON.get(name, ANY), IN_SQL.get(name, ANY))


def test_the_examples_of_a_new_page_answer(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = emptied(server, "pages")
    monkeypatch.setenv(VARIABLE, uri)
    monkeypatch.chdir(tmp_path)
    columns = (
        ExportColumn("as_of", "DATE", False, "The day."),
        ExportColumn("cart_id", "VARCHAR", False, "The cart."),
        *(ExportColumn(name, "VARCHAR", True, "") for name in ("method", "model_version", "run_id")),
    )
    contract = Contract("left_carts", 3, ("as_of", "cart_id"), columns)
    table = ExportTable("left_carts", 3, contract.key, "demand", ())
    page = written(None, contract, [], "One row is a cart.")
    assert _check(page, table, contract, tmp_path, uri) == (ANY, ANY)
