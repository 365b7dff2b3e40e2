"""What a night tells ops of demand in total and of orders, against the forecast by SKU and the raw deliveries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shop import LAST_DAY


def _export(home: Path, table: str) -> pd.DataFrame:
    folder = home / "exports" / table / "v1" / f"as_of={LAST_DAY}"
    manifest = json.loads((folder / "manifest.json").read_text())
    frame = pd.read_parquet(folder / manifest["files"][0]["name"])
    assert len(frame) == manifest["row_count"] > 0
    numbers = frame.select_dtypes("object").columns.difference(
        ["sku", "location_id", "level", "key", "currency", "recommended_action", "reason", "method", "model_version"]
    )
    dates = {"as_of", "forecast_date", "run_id"}
    return frame.assign(**{name: frame[name].astype(float) for name in numbers if name not in dates})


@pytest.fixture(scope="module")
def orders(night_home: Path) -> pd.DataFrame:
    return _export(night_home, "replenishment").set_index("sku")


def _delivered(home: Path, feed: str) -> pd.DataFrame:
    return pd.read_parquet(home / "raw" / feed / f"ds={LAST_DAY}" / "data.parquet").set_index("sku")


def test_totals_are_the_sums_of_the_skus(night_home: Path) -> None:
    skus, totals = _export(night_home, "demand_forecast"), _export(night_home, "demand_forecast_total")
    expected = skus.groupby("forecast_date")["units_mean"].sum()
    for level in ("store", "location"):
        found = totals[totals["level"] == level].set_index("forecast_date")["units_mean"]
        assert found.to_numpy() == pytest.approx(expected.loc[found.index].to_numpy(), abs=0.01)
    departments = totals[(totals["level"] == "category") & ~totals["key"].str.contains(" > ")]
    assert departments["key"].nunique() > 1
    assert departments.groupby("forecast_date")["units_mean"].sum().to_numpy() == pytest.approx(
        expected.to_numpy(), abs=0.01
    )


def test_stock_and_terms_are_those_delivered(night_home: Path, orders: pd.DataFrame) -> None:
    stock, products = _delivered(night_home, "inventory"), _delivered(night_home, "products")
    assert set(orders.index) == set(_export(night_home, "demand_forecast")["sku"])
    for column, found in (("on_hand", "on_hand"), ("on_order", "on_order")):
        assert orders[column].tolist() == stock.loc[orders.index, found].astype(float).tolist()
    assert orders["lead_time_days"].tolist() == products.loc[orders.index, "lead_time_days"].tolist()


def test_orders_are_whole_packs_of_what_falls_below_the_reorder_point(night_home: Path, orders: pd.DataFrame) -> None:
    products = _delivered(night_home, "products").loc[orders.index]
    position = orders["on_hand"] + orders["on_order"]
    is_ordered = orders["order_quantity"] > 0
    assert is_ordered.any()
    assert (is_ordered == (position < orders["reorder_point"])).all()
    pack = products["pack_size"].astype(float).fillna(1)
    assert np.allclose(orders["order_quantity"] % pack, 0)
    least = products["min_order_quantity"].astype(float).fillna(0)
    assert (orders["order_quantity"] >= least)[is_ordered].all()
    assert orders["stockout_probability"].between(0, 1).all()
    assert (orders["expected_margin_at_risk"] >= 0).all()
    assert (orders["recommended_action"] == "order").equals(is_ordered)


def test_the_reason_names_the_figures(orders: pd.DataFrame) -> None:
    for row in orders[orders["recommended_action"] == "order"].itertuples():
        assert f"reorder point of {row.reorder_point:.0f}" in row.reason
        assert f"order {row.order_quantity:g}" in row.reason
