"""Fraud is rare, has two patterns, and the labels are on nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
from chance import LIMIT, is_count_of_rate, is_share
from planted import Planted


def _orders(store: Planted, pattern: str) -> pd.DataFrame:
    chosen = store.truth("fraud").query("pattern == @pattern")["order_id"]
    return store.orders().loc[chosen].sort_values("ordered_at")


def _bursts(store: Planted) -> pd.Series:
    """The number of the burst of each card tester's order: bursts are more than two hours apart, nearly always."""
    times = _orders(store, "card_testing")["ordered_at"]
    return (times.diff() > pd.Timedelta(hours=2)).cumsum()


def test_labels_are_of_orders_and_of_the_two_patterns(planted: Planted) -> None:
    fraud = planted.truth("fraud")
    assert fraud["order_id"].is_unique
    assert set(fraud["order_id"]) <= set(planted.orders().index)
    assert set(fraud["pattern"]) == {"card_testing", "reseller"}


def test_cards_are_tested_in_bursts_of_tiny_orders_within_an_hour(planted: Planted) -> None:
    orders, bursts = _orders(planted, "card_testing"), _bursts(planted)
    assert is_count_of_rate(bursts.nunique(), planted.scale * planted.days / 20)
    lines = planted.lines().set_index("order_id").loc[orders.index]
    assert len(lines) == len(orders)
    assert (lines["quantity"] == 1).all()
    assert lines["sku"].groupby(bursts).nunique().max() <= 10
    times = orders["ordered_at"].groupby(bursts)
    # Each visit takes a minute or so to pay.
    assert (times.max() - times.min()).max() < pd.Timedelta(minutes=75)
    # 20 to 45 attempts, of which as many become orders as the shelves hold units; days with a reseller apart.
    days = planted.truth("sku_day").groupby("sold_on")[["true_fraud_units", "true_lost_units"]].sum()
    resellers = planted.lines()[lambda f: f["order_id"].isin(_orders(planted, "reseller").index)]
    on = lines["ordered_on"].groupby(bursts).first()
    on = on[~on.isin(resellers["ordered_on"]) & ~on.duplicated(keep=False)]
    tried, made = days["true_fraud_units"].loc[on].to_numpy(), bursts.value_counts().loc[on.index].to_numpy()
    assert len(on) > 0
    assert (tried >= 20).all()
    assert (tried <= 45).all()
    assert (made <= tried).all()
    assert made.sum() > 0.5 * tried.sum()


def test_card_testers_are_strangers_who_choose_something_cheap(planted: Planted) -> None:
    orders = _orders(planted, "card_testing")
    assert orders["customer_id"].isna().all()
    assert orders["email"].is_unique
    known = planted.truth("identity").query("id_type == 'email'")["id"]
    assert not orders["email"].isin(known).any()
    lines = planted.lines().set_index("order_id").loc[orders.index]
    price = planted.line_prices()["unit_price"]
    paid, median = price.reindex(lines["order_line_id"]), price.median()
    assert paid.max() < median


def test_nine_of_ten_tested_cards_are_cancelled(planted: Planted) -> None:
    orders = _orders(planted, "card_testing")
    lines = planted.lines().set_index("order_id").loc[orders.index]
    assert is_share(int(lines["is_cancelled"].sum()), len(lines), 0.9)


def test_resellers_clear_three_promoted_skus(planted: Planted) -> None:
    orders = _orders(planted, "reseller")
    # Only while three SKUs at least are on offer, which at a small scale they are not on every day.
    assert len(orders) > 0
    assert is_count_of_rate(len(orders), planted.scale * _days_with_offers(planted) / 7)
    lines = planted.lines()[lambda f: f["order_id"].isin(orders.index)]
    assert (lines["discount"] > 0.05).all()
    assert lines["quantity"].max() <= 20
    assert lines.groupby("order_id")["sku"].nunique().max() == 3
    days = planted.truth("sku_day").set_index(["sku", "sold_on"])
    is_there = days["closing_units"].reindex(pd.MultiIndex.from_frame(lines[["sku", "ordered_on"]])) > 0
    whole = lines["quantity"][is_there.to_numpy()]
    if len(whole) > 0:
        assert whole.between(8, 20).all()
    assert orders["customer_id"].notna().all()


def _days_with_offers(store: Planted) -> int:
    offers = store.truth("sku_day").groupby("sold_on")["true_discount_pct"].agg(lambda discount: (discount > 0).sum())
    return int((offers >= 3).sum())


def test_no_other_order_looks_like_a_reseller_s(planted: Planted) -> None:
    lines = planted.lines()
    large = lines[(lines["quantity"] >= 8) & (lines["discount"] > 0.05)]
    counts = large.groupby("order_id")["sku"].nunique()
    fraud = set(_orders(planted, "reseller").index)
    assert set(counts[counts == 3].index) <= fraud


def test_the_truth_about_demand_tells_what_frauds_wanted(planted: Planted) -> None:
    fraud = set(planted.truth("fraud")["order_id"])
    lines = planted.lines()[lambda f: f["order_id"].isin(fraud)]
    sold = lines.groupby(["sku", "ordered_on"])["quantity"].sum()
    wanted = planted.truth("sku_day").set_index(["sku", "sold_on"])["true_fraud_units"]
    assert (sold <= wanted.reindex(sold.index)).all()
    days = planted.truth("sku_day").set_index(["sku", "sold_on"])
    full = days.reindex(sold.index)["true_lost_units"] == 0
    assert (sold[full] == wanted.reindex(sold.index)[full]).all()
    resold = wanted.sum()
    # Resellers want 14 units of each of 3 SKUs, testers one unit each.
    testers = len(_orders(planted, "card_testing"))
    resellers = planted.truth("fraud")["pattern"].eq("reseller").sum()
    spread = np.sqrt(3 * resellers * (13**2 - 1) / 12)
    assert resold > testers + 3 * resellers * 14 - LIMIT * spread
