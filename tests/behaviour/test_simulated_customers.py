"""Customers differ in how often they come and what they like, and some never come again."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import planted_carts
from chance import LIMIT, TAIL, bins, is_count_of_rate, is_share, z_of_counts, z_of_mean
from planted import Planted
from scipy import stats


@cache
def _customers(store: Planted) -> pd.DataFrame:
    """With the first day on which they may come; those there at the start come from the first."""
    told = store.landed("customers", "customer_id, country").sort_values("ds", kind="stable")
    first = told.drop_duplicates("customer_id").set_index("customer_id")
    found = store.truth("customer").set_index("customer_id").join(first)
    comes = found["ds"].where(found["ds"] == store.first_day, found["ds"] + pd.Timedelta(days=1))
    return found.assign(comes_from=comes)


@cache
def _expected_orders(store: Planted) -> pd.Series:
    """Each day's orders by people, dealt to those who may come by their rates and tastes."""
    customers, orders = _customers(store), store.orders()
    who = store.buyers().dropna()
    day = orders.loc[who.index, "ordered_at"].dt.tz_convert("Europe/London").dt.tz_localize(None).dt.normalize()
    drawn_by = store.truth("cart").dropna(subset=["order_id"]).set_index("order_id")["department"]
    # Resellers have no cart in the truth and are drawn as if for clothing.
    department = drawn_by.reindex(who.index).fillna("Clothing")
    expected = pd.Series(0.0, index=customers.index)
    for (on, name), count in day.groupby([day, department]).size().items():
        is_here = (customers["comes_from"] <= on) & (customers["true_churned_on"] > on)
        likes = np.where(customers["true_favourite"] == name, 4.0, 1.0)
        rate = (customers["true_rate"] * likes).where(is_here, 0.0)
        expected += count * rate / rate.sum()
    return expected


def _orders_each(store: Planted) -> pd.Series:
    return store.buyers().dropna().value_counts().reindex(_customers(store).index, fill_value=0)


def test_rates_of_customers_are_gamma(planted: Planted) -> None:
    rate = _customers(planted)["true_rate"]
    assert stats.kstest(rate, stats.gamma(0.6).cdf).pvalue > TAIL
    # The mean of a gamma of shape 0.6 is 0.6, and so is its variance.
    assert abs(z_of_mean(rate, 0.6, np.sqrt(0.6))) < LIMIT


def test_orders_per_customer_follow_their_rates_and_are_over_dispersed(planted: Planted) -> None:
    orders, expected = _orders_each(planted), _expected_orders(planted)
    rate = _customers(planted)["true_rate"]
    for _, rows in expected.groupby(bins(rate, 10)):
        # About a tenth come back for a cart, of people as they were a few days before.
        spread = np.sqrt(rows.sum())
        assert abs(orders[rows.index].sum() - rows.sum()) < LIMIT * spread + 0.01 * rows.sum()
    # Poisson around each customer's own expectation: E[(n - m)^2 - n] = 0 with variance 2 m^2.
    excess = ((orders - expected) ** 2 - orders).sum()
    assert abs(excess) < LIMIT * np.sqrt((2 * expected**2).sum())
    pooled = ((orders - orders.mean()) ** 2 - orders).sum()
    assert pooled > 10 * np.sqrt((2 * orders.mean() ** 2) * len(orders)), "customers of one rate would be Poisson"


def test_customers_leave_after_700_days_on_average(planted: Planted) -> None:
    customers = _customers(planted)
    stay = (customers["true_churned_on"] - customers["ds"]).dt.days - 1
    # Whole days of an exponential of mean 700: half a day is cut off.
    assert abs(z_of_mean(stay + 0.5, 700, 700)) < LIMIT


def test_who_has_left_never_comes_again(planted: Planted) -> None:
    customers = _customers(planted)
    sessions = planted.truth("session").dropna(subset=["true_customer_id"])
    sessions = sessions.join(customers[["true_churned_on", "comes_from"]], on="true_customer_id")
    came = planted.truth("cart").dropna(subset=["true_returned_on"])
    # Only a cart left behind brings some back for a last time, within a week or the closed day after.
    last = sessions.groupby("true_customer_id")["started_at"].max().dt.normalize()
    gone = customers["true_churned_on"].reindex(last.index)
    late = last[last >= gone]
    assert set(late.index) <= set(came["true_customer_id"])
    assert (late - gone[late.index]).dt.days.max() <= 8
    assert (sessions["started_at"].dt.normalize() + pd.Timedelta(days=1) >= sessions["comes_from"]).all()
    assert (customers["true_churned_on"] < planted.last_day).sum() > 100 * planted.scale


def test_customers_like_their_favourite_department_four_times_as_much(planted: Planted) -> None:
    carts = planted_carts.carts(planted).dropna(subset=["true_customer_id"])
    customers = _customers(planted)
    favourite = carts["true_customer_id"].map(customers["true_favourite"])
    is_liked = favourite == carts["department"]
    chance = pd.Series(0.0, index=carts.index)
    for on, rows in carts.groupby("on"):
        is_here = (customers["comes_from"] <= on) & (customers["true_churned_on"] > on)
        share = customers["true_rate"].where(is_here, 0.0).groupby(customers["true_favourite"]).sum()
        share = share / share.sum()
        # Of a department's carts its lovers, a share f of all visits, fill 4 f / (4 f + 1 - f).
        chance[rows.index] = rows["department"].map(4 * share / (1 + 3 * share))
    # In a few carts the item that drew the visitor was sold out and the next is of any department: 0.05 of units
    # are lost, 0.4 of what follows is of another department or there alone.
    slack = 0.05 * 0.4 * (chance - 0.25).sum()
    spread = np.sqrt((chance * (1 - chance)).sum())
    assert -slack - LIMIT * spread < (is_liked - chance).sum() < LIMIT * spread
    assert abs(z_of_counts(is_liked, 0.25)) > LIMIT
    # 4 / (1 + 3 / 4) = 2.3 times as often as if there were no tastes.
    assert is_liked.mean() / 0.25 > 2


def test_an_eighth_of_orders_goes_abroad(planted: Planted) -> None:
    customers = _customers(planted)
    for country, share in (("GB", 0.86), ("IE", 0.08), ("FR", 0.04), ("DE", 0.02)):
        assert is_share(int((customers["country"] == country).sum()), len(customers), share)
    orders = planted.orders().join(planted.buyers().rename("person"))
    home = orders["person"].map(customers["country"]).fillna("GB")
    assert (orders["ship_country"] == home).all()


def test_customers_are_as_many_as_published(planted: Planted) -> None:
    customers = _customers(planted)
    # 60,000 at scale 1: 0.4 of them at the start, the others at an even rate within 540 days.
    later = int((customers["ds"] > planted.first_day).sum())
    assert is_count_of_rate(later, 60_000 * planted.scale * 0.6 / 540 * (planted.days - 1))
    first = len(customers) - later - 60_000 * planted.scale * 0.4
    assert is_count_of_rate(round(first), 60_000 * planted.scale * 0.6 / 540)


def test_one_in_250_customers_abuses_returns(planted: Planted) -> None:
    customers = _customers(planted)
    assert is_share(int(customers["is_return_abuser"].sum()), len(customers), 0.004)
    assert (customers.loc[customers["is_return_abuser"], "true_proneness"] == 20).all()
    others = customers.loc[~customers["is_return_abuser"], "true_proneness"]
    assert stats.kstest(others, stats.gamma(1.5, scale=1 / 1.5).cdf).pvalue > TAIL


def test_one_in_twelve_orders_is_a_guest_s(planted: Planted) -> None:
    orders = planted.orders()
    people = planted.buyers()
    fraud = planted.truth("fraud")["order_id"]
    at_once = planted_carts.carts(planted)[lambda f: f["is_bought_at_once"]]["order_id"]
    ours = orders.loc[at_once[~at_once.isin(fraud)]]
    assert is_share(int(ours["customer_id"].isna().sum()), len(ours), 0.08)
    assert people.loc[ours.index].notna().all()
    # Half of the guests give the address of their account, and of them some the second one.
    guests = ours[ours["customer_id"].isna()]
    is_for_once = guests["email"].str.startswith("guest")
    assert is_share(int(is_for_once.sum()), len(guests), 0.5)
