"""What the models read, recomputed from the raw rows in plain pandas."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from shop import LAST_DAY


def _raw(home: Path, feed: str) -> pd.DataFrame:
    files = sorted((home / "raw" / feed).glob("ds=*/data.parquet"))
    return pd.concat([pd.read_parquet(path).assign(ds=path.parent.name[3:]) for path in files], ignore_index=True)


def _latest(frame: pd.DataFrame, key: str, instant: str) -> pd.DataFrame:
    return frame.sort_values([instant, "ds"], na_position="first").drop_duplicates(key, keep="last")


@pytest.fixture(scope="module")
def units(night_home: Path) -> dict[tuple[str, date], Decimal]:
    """Units by SKU and business day: ordered, less cancelled lines, less lines of cancelled orders."""
    orders = _latest(_raw(night_home, "orders"), "order_id", "updated_at").set_index("order_id")
    found: dict[tuple[str, date], Decimal] = {}
    for line in _latest(_raw(night_home, "order_lines"), "order_line_id", "updated_at").itertuples():
        order = orders.loc[line.order_id]
        net = Decimal(0) if order.status == "cancelled" else line.quantity - line.cancelled_quantity
        day = pd.Timestamp(order.business_date).date()
        found[line.sku, day] = found.get((line.sku, day), Decimal(0)) + net
    return found


@pytest.fixture(scope="module")
def features(night_home: Path) -> pd.DataFrame:
    snapshot = json.loads((night_home / "warehouse.json").read_text())["snapshot"]
    frame = pd.read_parquet(night_home / "snapshots" / snapshot / "feat_sku_day.parquet")
    frame["sold_on"] = pd.to_datetime(frame["sold_on"]).dt.date
    return frame


def test_units_are_those_of_the_raw_rows(features: pd.DataFrame, units: dict[tuple[str, date], Decimal]) -> None:
    ours = {(row.sku, row.sold_on): row.units for row in features.itertuples() if row.units}
    assert ours == {key: amount for key, amount in units.items() if amount}


def test_a_day_is_observed_unless_closed_or_out_of_stock_with_nothing_sold(
    night_home: Path, features: pd.DataFrame, units: dict[tuple[str, date], Decimal]
) -> None:
    stock = _raw(night_home, "inventory")
    empty = {(r.sku, date.fromisoformat(r.ds)) for r in stock.itertuples() if r.on_hand == 0}
    calendar = _raw(night_home, "calendar")
    closed = {pd.Timestamp(row.date).date() for row in calendar.itertuples() if not row.is_open}
    expected = [
        row.sold_on not in closed and not ((row.sku, row.sold_on) in empty and not units.get((row.sku, row.sold_on)))
        for row in features.itertuples()
    ]
    assert features["is_observed"].tolist() == expected
    sold_out = [bool((row.sku, row.sold_on) in empty and row.units > 0) for row in features.itertuples()]
    assert features["is_sold_out"].tolist() == sold_out
    assert any(sold_out)
    assert not all(expected), "the simulated store runs out of stock somewhere"


def test_every_series_is_dense_to_the_last_day(features: pd.DataFrame) -> None:
    for (sku, location), days in features.groupby(["sku", "location_id"])["sold_on"]:
        expected = (days.max() - days.min()).days + 1
        assert (days.max(), len(days), days.nunique()) == (LAST_DAY, expected, expected), (sku, location)
