"""The export of return risks: which lines, at what cost, by which rule; planted chances on a real warehouse."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from shop import LAST_DAY

WINDOW_DAYS = 45
# Of each planted line: chance, several sizes, shipped, cost of a unit; its price is 20, two units, half comes back.
# With the seeds as they come a return costs 4 + 4 + 2 * 0.5 * (2.50 + 0.15 * unit cost): 12 for a unit cost of 10.
PLANTED = [
    ("low", 0.10, 1, False, 10.0, 1.20, "low", "none"),
    ("medium", 0.30, 1, False, 10.0, 3.60, "medium", "none"),
    ("confirm", 0.40, 1, False, 10.0, 4.80, "high", "confirm_before_shipping"),
    ("too late to confirm", 0.40, 1, True, 10.0, 4.80, "high", "none"),
    ("hint", 0.25, 2, False, 10.0, 3.00, "medium", "size_hint"),
    ("too late for a hint", 0.25, 2, True, 10.0, 3.00, "medium", "none"),
    # 4 + 4 + 2.50 + 0.15 * 50 = 18.
    ("review", 0.60, 1, True, 50.0, 10.80, "high", "review"),
    # The cost is unknown: 4 + 4 + 2.50 + 0.15 * 20 = 13.50.
    ("no cost", 0.10, 1, False, None, 1.35, "low", "none"),
]


@pytest.fixture
def planted(night_home: Path, tmp_path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, dict[str, str]]]:
    """The warehouse with planted lines, the export's own SQL on planted predictions, and each line's id by its name."""
    shutil.copy(night_home / "warehouse.duckdb", tmp_path / "warehouse.duckdb")
    compiled = night_home / "dbt/target/compiled/nightshift/models/exports/exp_return_risk.sql"
    sql = re.sub(r"read_parquet\('[^']*'\)", "predictions", compiled.read_text()).replace('"warehouse".', "")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        lines = connection.sql(
            "select min(order_line_id) as line, order_id from features.feat_order_line where units > 0 "
            f"group by order_id order by order_id limit {len(PLANTED)}"
        ).fetchall()
        connection.execute(
            "create table predictions (order_line_id varchar, customer_id varchar, return_probability double, "
            "returned_part double, reason_1 varchar, reason_2 varchar, reason_3 varchar, method varchar, "
            "model_version varchar, run_id varchar)"
        )
        connection.execute("delete from features.feat_order_shipment")
        names = {}
        for (name, chance, sizes, is_shipped, unit_cost, *_), (line, order) in zip(PLANTED, lines, strict=True):
            names[line] = name
            connection.execute(
                "insert into predictions values (?, null, ?, 0.5, 'a', 'b', 'c', 'planted', 'v', 'r')", [line, chance]
            )
            connection.execute(
                "update features.feat_order_line set units = 2, style_size_count = ?, category = 'A > B' "
                "where order_line_id = ?",
                [sizes, line],
            )
            connection.execute(
                "update marts.fct_order_lines set unit_cost = ?, unit_price = 20, exchange_rate = 1 "
                "where order_line_id = ?",
                [unit_cost, line],
            )
            if is_shipped:
                connection.execute("insert into features.feat_order_shipment (order_id) values (?)", [order])
        yield connection, sql, names


def _decided(planted: tuple[duckdb.DuckDBPyConnection, str, dict[str, str]]) -> dict[str, tuple[float, str, str]]:
    connection, sql, names = planted
    rows = connection.execute(
        f"select order_line_id, expected_return_cost::double, risk_band, recommended_action from ({sql})"
    ).fetchall()
    return {names[line]: (cost, band, action) for line, cost, band, action in rows}


def test_cost_band_and_action_are_what_the_seeds_say(
    planted: tuple[duckdb.DuckDBPyConnection, str, dict[str, str]],
) -> None:
    wanted = {name: (pytest.approx(cost), band, action) for name, *_, cost, band, action in PLANTED}
    assert _decided(planted) == wanted


def test_a_doubled_shipping_cost_moves_bands_as_arithmetic_says(
    planted: tuple[duckdb.DuckDBPyConnection, str, dict[str, str]],
) -> None:
    planted[0].execute("update seeds.return_costs set shipping_out_cost = 8, shipping_back_cost = 8")
    found = _decided(planted)
    # 8 more a return: 20 * 0.1, 20 * 0.3, 20 * 0.4, 20 * 0.25, 26 * 0.6.
    assert found["low"] == (pytest.approx(2.0), "medium", "none")
    assert found["medium"] == (pytest.approx(6.0), "high", "none")
    assert found["confirm"] == (pytest.approx(8.0), "high", "confirm_before_shipping")
    assert found["hint"] == (pytest.approx(5.0), "high", "size_hint")
    assert found["review"] == (pytest.approx(15.6), "high", "review")


def test_the_longest_path_of_a_category_counts(
    planted: tuple[duckdb.DuckDBPyConnection, str, dict[str, str]],
) -> None:
    planted[0].execute("insert into seeds.return_costs values ('A', 0, 0, 2.5, 0.15), ('A > B', 1, 1, 2.5, 0.15)")
    planted[0].execute("insert into seeds.return_costs values ('A > Bb', 9, 9, 9, 1)")
    # 1 + 1 + 2.50 + 0.15 * 10 = 6.
    assert _decided(planted)["medium"] == (pytest.approx(1.8), "medium", "none")


def test_the_nights_export_holds_every_line_that_may_still_come_back(night_home: Path) -> None:
    exported = pd.read_parquet(next((night_home / f"exports/return_risk/v1/as_of={LAST_DAY}").glob("*.parquet")))
    with duckdb.connect(str(night_home / "published/warehouse.duckdb"), read_only=True) as connection:
        lines = connection.sql("select * from marts.fct_order_lines").df().set_index("order_line_id")
        returns = connection.sql("select order_line_id, units_returned from marts.fct_returns where is_matched").df()
    age = (pd.Timestamp(LAST_DAY) - lines["ordered_on"]).dt.days
    back = returns.groupby("order_line_id")["units_returned"].sum().reindex(lines.index).fillna(0)
    is_open = (age < WINDOW_DAYS) & (lines["units"] > 0) & (back < lines["units_ordered"])
    assert sorted(exported["order_line_id"]) == sorted(lines.index[is_open])
    assert len(exported) > 100
    assert exported["return_probability"].between(0, 1).all()
    assert exported["action_rule"].notna().all()
    assert (exported["ordered_at"].to_numpy() == lines.loc[exported["order_line_id"], "ordered_at"].to_numpy()).all()
