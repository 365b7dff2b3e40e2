"""Units are drawn as the model says, and the shelf takes from them what it must."""

from __future__ import annotations

import numpy as np
import pandas as pd
from chance import LIMIT, bins, is_share, z_of_sums
from planted import Planted
from planted_demand import MEAN_QUANTITY, MEAN_SQUARE, matrix, rebuilt, units_variance
from scipy import stats


def _wanted(store: Planted) -> pd.DataFrame:
    days = store.truth("sku_day")
    return days.assign(units=days["true_demand_units"] - days["true_fraud_units"])


def test_units_are_drawn_around_their_mean(planted: Planted) -> None:
    days = _wanted(planted)
    surprise, variance = days["units"] - days["true_demand_mean"], units_variance(days["true_demand_mean"])
    assert abs(surprise.sum() / np.sqrt(variance.sum())) < LIMIT
    for _, rows in days.groupby(bins(days["true_demand_mean"], 10)):
        assert abs(surprise[rows.index].sum() / np.sqrt(variance[rows.index].sum())) < LIMIT


def test_units_are_over_dispersed_as_planted(planted: Planted) -> None:
    # Only first wishes share a day's gamma rate; of what comes back for a cart each comes or not.
    direct, total = rebuilt(planted)
    share = np.where(total > 0, direct / np.maximum(total, 1e-12), 0.0)
    mean = np.nan_to_num(matrix(planted, "true_demand_mean"))
    units = np.nan_to_num(matrix(planted, "true_demand_units") - matrix(planted, "true_fraud_units"))
    # Squares of what is wanted of a SKU in demand are mostly luck, so they weigh less.
    weight = 1 / (1 + units_variance(mean)) ** 1.5
    excess = pd.DataFrame(weight * ((units - mean) ** 2 - MEAN_SQUARE / MEAN_QUANTITY * mean)).stack()
    gamma = pd.DataFrame(weight * (share * mean) ** 2).stack()
    sku = pd.Series(excess.index.get_level_values(1), index=excess.index)
    assert z_of_sums(excess, sku) > LIMIT, "Poisson demand would have no excess"
    assert abs(z_of_sums(excess - gamma / 1.5, sku)) < LIMIT


def test_wishes_are_mostly_for_one_unit(planted: Planted) -> None:
    # Of what has no sizes, is wanted too seldom to be twice in a basket, and is there.
    skus, days = planted.truth("sku"), planted.truth("sku_day")
    plain = skus["department"].isin(["Home", "Garden"]) & (skus["true_base_rate"] < skus["true_base_rate"].median())
    days = days[days["sku"].isin(skus.loc[plain, "sku"]) & (days["closing_units"] + days["sold_units"] >= 5)]
    lines = planted.lines().merge(days, left_on=["sku", "ordered_on"], right_on=["sku", "sold_on"])
    lines = lines[~lines["order_id"].isin(planted.truth("fraud")["order_id"])]
    assert len(lines) > 1_000 * planted.scale
    for quantity, share in ((1, 0.82), (2, 0.12), (3, 0.04), (4, 0.02)):
        assert is_share(int((lines["quantity"] == quantity).sum()), len(lines), share)


def test_most_skus_sell_on_a_minority_of_days(planted: Planted) -> None:
    days = planted.truth("sku_day")
    is_sale = days["sold_units"] > 0
    share = is_sale.groupby(days["sku"]).mean()
    # A day sees a wish with chance 1 - (1 + w / 1.5)^-1.5, one half at w = 0.88. Rates are log-normal, mean 0.51 and
    # sigma 1.2, and carts that come back, second sizes and the season make 1.15 of them.
    expected = stats.norm.cdf((np.log(0.88 / 1.15 / 0.51) + 1.2**2 / 2) / 1.2)
    assert abs((share < 0.5).mean() - expected) < LIMIT * np.sqrt(expected * (1 - expected) / len(share))


def test_a_fifth_of_the_skus_sells_more_than_half(planted: Planted) -> None:
    rates = planted.truth("sku")["true_base_rate"]
    log, count = np.log(rates), len(rates)
    # Log-normal with mean 0.51 and sigma 1.2.
    assert abs((log.mean() - (np.log(0.51) - 1.2**2 / 2)) / (1.2 / np.sqrt(count))) < LIMIT
    assert abs(log.std() / 1.2 - 1) < LIMIT / np.sqrt(2 * count)
    units = planted.truth("sku_day").groupby("sku")["true_demand_units"].sum().sort_values(ascending=False)
    top = units.head(len(units) // 5).sum() / units.sum()
    # The share of the top fifth of such log-normal samples of as many SKUs, by drawing some.
    samples = np.sort(np.exp(1.2 * np.random.default_rng(0).standard_normal((500, len(units)))), axis=1)
    shares = samples[:, -(len(units) // 5) :].sum(axis=1) / samples.sum(axis=1)
    assert abs(top - shares.mean()) < LIMIT * shares.std()
    assert top > 0.5


def test_a_few_percent_of_days_end_out_of_stock(planted: Planted) -> None:
    days = planted.truth("sku_day")
    assert 0.03 < 1 - days["is_in_stock"].mean() < 0.10


def test_what_is_wanted_is_sold_or_lost_and_only_an_empty_shelf_loses(planted: Planted) -> None:
    days = planted.truth("sku_day")
    assert (days["sold_units"] + days["true_lost_units"] == days["true_demand_units"]).all()
    assert (days["true_lost_units"] >= 0).all()
    is_empty = days["closing_units"] == 0
    assert (days["is_in_stock"] == ~is_empty).all()
    assert is_empty[days["true_lost_units"] > 0].all()
    assert (days["true_lost_units"] > 0).any()
    assert (days.loc[~is_empty, "true_in_stock_share"] == 1).all()
    assert (days.loc[is_empty, "true_in_stock_share"] < 1).all()


def test_a_day_loses_what_is_wanted_after_its_shelf_is_empty(planted: Planted) -> None:
    days = _wanted(planted).sort_values(["sku", "sold_on"])
    yesterday = days.groupby("sku")["closing_units"].shift(1)
    never_filled = (yesterday == 0) & (days["sold_units"] == 0) & (days["closing_units"] == 0)
    assert (days.loc[never_filled, "true_in_stock_share"] == 0).all()
    # Its units are drawn as on any other day, and all are lost.
    lost, mean = days.loc[never_filled, "true_lost_units"], days.loc[never_filled, "true_demand_mean"]
    assert abs((lost - mean).sum() / np.sqrt(units_variance(mean).sum())) < LIMIT
    assert lost.sum() > 0


def test_a_shelf_that_empties_in_the_day_loses_by_the_hours_left(planted: Planted) -> None:
    days = planted.truth("sku_day")
    days = days[(days["true_in_stock_share"] > 0) & (days["true_in_stock_share"] < 1) & (days["true_demand_mean"] > 0)]
    assert len(days) > 1_000 * planted.scale
    # The day's rate is gamma; after n units by a share e of the traffic its mean is (k + n) / (k + m e), k = 1.5
    # and units counting 1.26 / 1.98 each. Visits by hour of the day, as published.
    hours = np.array((2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 10, 11, 10, 9, 9, 9, 10, 11, 13, 14, 13, 9, 5))
    traffic = np.concatenate([[0], np.cumsum(hours)]) / hours.sum()
    exposed = np.interp(24 * days["true_in_stock_share"], np.arange(25), traffic)
    events = MEAN_QUANTITY / MEAN_SQUARE
    left = (1.5 + days["sold_units"] * events) / (1.5 + days["true_demand_mean"] * events * exposed)
    expected = left * days["true_demand_mean"] * (1 - exposed)
    # The order that takes the last unit may want more of it: of a line of q units, (q - 1) / 2 on average, E[q^2] / 2
    # / E[q] - 1 / 2 = 0.29 by lines that empty a shelf.
    surprise = days["true_lost_units"] - expected - (MEAN_SQUARE / MEAN_QUANTITY - 1) / 2
    assert abs(z_of_sums(surprise, days["sku"])) < LIMIT
    late, early = days["true_in_stock_share"] > 0.8, days["true_in_stock_share"] < 0.4
    assert days.loc[early, "true_lost_units"].mean() > 1.5 * days.loc[late, "true_lost_units"].mean()


def test_the_shelf_carries_over(planted: Planted) -> None:
    inventory = planted.landed("inventory", "sku, on_hand::DOUBLE on_hand")
    days = planted.truth("sku_day").merge(inventory, left_on=["sku", "sold_on"], right_on=["sku", "ds"])
    assert len(days) == len(planted.truth("sku_day"))
    assert (days["on_hand"] == days["closing_units"]).all()
    lines = planted.truth("line").groupby(["sku", "ordered_on"])["quantity"].sum()
    sold = planted.truth("sku_day").set_index(["sku", "sold_on"])["sold_units"]
    assert (lines.reindex(sold.index, fill_value=0) == sold).all()


def test_supply_is_mostly_on_time(planted: Planted) -> None:
    days = planted.truth("sku_day").sort_values(["sku", "sold_on"])
    change = days["closing_units"] - days.groupby("sku")["closing_units"].shift(1) + days["sold_units"]
    # Every SKU in demand is supplied again and again: order-up-to levels hold 21 days and the lead time.
    busy = days["true_demand_mean"].groupby(days["sku"]).transform("mean") > 1
    arrivals = (change[busy] > 5).groupby(days.loc[busy, "sku"]).sum()
    assert (arrivals >= planted.days // 120).mean() > 0.9
