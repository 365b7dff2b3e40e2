"""A store with two currencies is the same store, whose orders from abroad are paid in euros."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from planted import Planted

from pipelines.simulate import simulate
from pipelines.simulate.arguments import Arguments

FEEDS = frozenset({"orders", "order_lines", "returns"})


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Planted, Planted]:
    made = []
    for currencies in (1, 2):
        folder = tmp_path_factory.mktemp("currencies")
        arguments = Arguments(0.05, 45, 5, date(2025, 3, 3), FEEDS, format="parquet", currencies=currencies)
        store = simulate(folder / "landing", folder / "truth", arguments, lambda _: None)
        made.append(Planted(store.landing, store.truth, 0.05, 45, pd.Timestamp("2025-03-03")))
    return made[0], made[1]


def _paired(stores: tuple[Planted, Planted], feed: str, key: str) -> pd.DataFrame:
    """All rows of both, in the order delivered; columns of the second end in _2."""
    one, two = (store.landed(feed).sort_values("ds", kind="stable").reset_index(drop=True) for store in stores)
    assert (one[key] == two[key]).all()
    return one.join(two, rsuffix="_2")


def _pence(amount: pd.Series) -> pd.Series:
    return np.rint(amount.astype(float) * 100)


def test_orders_from_abroad_are_paid_in_euros(stores: tuple[Planted, Planted]) -> None:
    orders = _paired(stores, "orders", "order_id")
    assert (orders["currency"] == "GBP").all()
    abroad = orders["ship_country"].isin(["IE", "FR", "DE"])
    assert set(orders.loc[abroad, "ship_country"]) == {"IE", "FR", "DE"}
    assert (orders["currency_2"] == np.where(abroad, "EUR", "GBP")).all()


def test_amounts_are_converted_at_1_17(stores: tuple[Planted, Planted]) -> None:
    orders = _paired(stores, "orders", "order_id")
    rate = np.where(orders["currency_2"] == "EUR", 1.17, 1.0)
    for column in ("discount_amount", "shipping_amount"):
        assert (_pence(orders[f"{column}_2"]) - rate * _pence(orders[column])).abs().max() <= 0.5 + 1e-9
    lines = _paired(stores, "order_lines", "order_line_id")
    currency = orders.drop_duplicates("order_id").set_index("order_id")["currency_2"]
    rate = np.where(lines["order_id"].map(currency) == "EUR", 1.17, 1.0)
    for column in ("unit_price", "discount_amount"):
        assert (_pence(lines[f"{column}_2"]) - rate * _pence(lines[column])).abs().max() <= 0.5 + 1e-9
    assert (rate > 1).any()


def test_countries_have_their_own_tax(stores: tuple[Planted, Planted]) -> None:
    orders = _paired(stores, "orders", "order_id")
    # A penny at most is cut off before the conversion.
    taxed = orders["tax_amount"].astype(float) > 5
    for country, percent, rate in (("GB", 20, 1.0), ("IE", 23, 1.17), ("FR", 20, 1.17), ("DE", 19, 1.17)):
        here = orders[taxed & (orders["ship_country"] == country)]
        assert len(here) > 0
        expected = here["tax_amount"].astype(float) * percent / 20 * rate
        assert (here["tax_amount_2"].astype(float) - expected).abs().max() < 0.04


def test_refunds_are_in_the_currency_of_the_order(stores: tuple[Planted, Planted]) -> None:
    returns = _paired(stores, "returns", "return_id").dropna(subset=["refund_amount"])
    orders = stores[1].landed("orders").drop_duplicates("order_id").set_index("order_id")
    currency = returns["order_line_id"].str.rpartition("-")[0].map(orders["currency"])
    rate = np.where(currency == "EUR", 1.17, 1.0)
    assert (rate > 1).any()
    assert (_pence(returns["refund_amount_2"]) - rate * _pence(returns["refund_amount"])).abs().max() <= 0.5 + 1e-9


def test_everything_else_is_the_same(stores: tuple[Planted, Planted]) -> None:
    money = {"unit_price", "discount_amount", "shipping_amount", "tax_amount", "refund_amount", "currency"}
    for feed, key in (("orders", "order_id"), ("order_lines", "order_line_id"), ("returns", "return_id")):
        rows = _paired(stores, feed, key)
        for column in set(stores[0].landed(feed)) - money:
            pd.testing.assert_series_equal(rows[column], rows[f"{column}_2"], check_names=False)
    for name in ("sku_day", "line", "parcel", "customer", "session", "cart", "fraud", "forecast"):
        pd.testing.assert_frame_equal(stores[0].truth(name), stores[1].truth(name))
