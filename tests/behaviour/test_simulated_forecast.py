"""The demand that could be known is calibrated, ahead and on the day, and no simple rival is better."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import planted_demand
import pytest
from chance import LIMIT, bins, z_of_sums
from planted import Planted

HORIZONS = {"1-7": (1, 7), "8-14": (8, 14), "15-28": (15, 28)}


@cache
def _days(store: Planted) -> pd.DataFrame:
    days = store.truth("sku_day").merge(store.truth("sku")[["sku", "department", "last_sold_on"]], on="sku")
    return days.assign(units=days["true_demand_units"] - days["true_fraud_units"])


@cache
def _forecasts(store: Planted) -> pd.DataFrame:
    """With the units that were wanted; after the last day of a SKU none are."""
    days = _days(store)[["sku", "sold_on", "units", "true_demand_mean", "true_discount_pct"]]
    found = store.truth("forecast").rename(columns={"forecast_date": "sold_on"})
    found = found[found["sold_on"] <= store.last_day].merge(days, on=["sku", "sold_on"], how="left")
    found = found.merge(store.truth("sku")[["sku", "department", "last_sold_on"]], on="sku")
    found["ahead"] = (found["sold_on"] - found["as_of"]).dt.days
    return found.fillna({"units": 0.0, "true_demand_mean": 0.0, "true_discount_pct": 0.0})


@pytest.mark.parametrize("horizon", HORIZONS)
def test_forecasts_add_up_to_what_is_wanted(planted: Planted, horizon: str) -> None:
    found = _forecasts(planted)[lambda f: f["ahead"].between(*HORIZONS[horizon])]
    difference = found["units"] - found["knowable_demand_mean"]
    # A shock, and what is wrongly believed of a department, are shared by all its SKUs from an evening on.
    assert abs(z_of_sums(difference, found["as_of"], found["department"])) < LIMIT
    for _, rows in found.groupby(bins(found["knowable_demand_mean"], 5)):
        assert abs(z_of_sums(difference[rows.index], rows["as_of"], rows["department"])) < LIMIT
    # Not so wide a net that any forecast would pass: the clusters' spread is a few percent of the total.
    spread = np.sqrt((difference.groupby([found["as_of"], found["department"]]).sum() ** 2).sum())
    assert LIMIT * spread < 0.4 * found["units"].sum()


def test_the_evening_before_demand_is_known_on_average(planted: Planted) -> None:
    days = _days(planted)
    difference = days["units"] - days["knowable_demand_mean"]
    # Surprises of different days are independent, those of a department on a day share its shock.
    assert abs(z_of_sums(difference, days["sold_on"], days["department"])) < LIMIT
    for slice_ in (bins(days["knowable_demand_mean"], 10), days["department"], days["true_discount_pct"] > 0):
        for _, rows in days.groupby(slice_):
            assert abs(z_of_sums(difference[rows.index], rows["sold_on"], rows["department"])) < LIMIT


def test_what_could_be_known_is_neither_the_truth_nor_far_from_it(planted: Planted) -> None:
    days = _days(planted)
    error, truth = ((days["units"] - days[c]) ** 2 for c in ("knowable_demand_mean", "true_demand_mean"))
    assert z_of_sums(error - truth, days["sku"]) > LIMIT / 2
    later = days["sold_on"] > planted.first_day + pd.Timedelta(days=60)
    assert error[later].sum() < 1.3 * truth[later].sum()


@pytest.mark.parametrize("rival", ["moving_average", "last_week", "mean_so_far"])
def test_no_naive_rival_is_better_than_what_could_be_known(planted: Planted, rival: str) -> None:
    found = _forecasts(planted)
    guesses = _rivals(planted)[rival]
    guess = guesses.reindex(pd.MultiIndex.from_frame(found[["as_of", "sku"]])).to_numpy()
    has_past = ~np.isnan(guess)
    assert has_past.mean() > 0.8
    ours = (found["units"] - found["knowable_demand_mean"]) ** 2
    gain = ((found["units"] - guess) ** 2 - ours)[has_past]
    rows = found[has_past]
    assert gain.sum() > 0.02 * ours.sum()
    # SKUs of their own, for a few in great demand decide the sum.
    weight = 1 / (1 + rows.groupby("sku")["knowable_demand_mean"].transform("mean")) ** 2
    assert z_of_sums(gain * weight, rows["sku"]) > LIMIT / 2


@cache
def _rivals(store: Planted) -> dict[str, pd.Series]:
    """Units a day on stocked days of the last 28, the last 7, and all days so far, by evening and SKU."""
    table = _days(store)[lambda f: f["is_in_stock"]].pivot(index="sold_on", columns="sku", values="units")
    table = table.reindex(store.dates)
    averages = {
        "moving_average": table.rolling(28, min_periods=7).mean(),
        "last_week": table.rolling(7, min_periods=3).mean(),
        "mean_so_far": table.expanding(min_periods=7).mean(),
    }
    return {name: average.stack() for name, average in averages.items()}


def test_announced_promotions_move_the_forecast(planted: Planted) -> None:
    told = planted.landed("promotions", "sku, starts_on, ends_on, announced_on, discount_pct::DOUBLE discount_pct")
    told = told.drop_duplicates(["sku", "starts_on", "announced_on"]).astype(
        dict.fromkeys(("starts_on", "ends_on", "announced_on"), "datetime64[ns]")
    )
    found = _forecasts(planted).merge(told, on="sku")
    found = found[(found["announced_on"] <= found["as_of"]) & (found["as_of"] < found["starts_on"])]
    inside = found[found["sold_on"].between(found["starts_on"], found["ends_on"])]
    keys = ["as_of", "sku", "announced_on"]
    before = found[found["sold_on"] < found["starts_on"]]
    both = pd.concat({"in": _level(planted, inside, keys), "before": _level(planted, before, keys)}, axis=1).dropna()
    assert len(both) >= 5
    # exp(2.5 * discount), of which 1.15 at least is left beside carts from the week before and beliefs of their own.
    assert ((both["in"] / both["before"]) > 1.1).mean() > 0.9
    difference = inside["units"] - inside["knowable_demand_mean"]
    assert abs(z_of_sums(difference, inside["as_of"], inside["department"])) < LIMIT


def _level(store: Planted, rows: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Mean forecast by SKU and campaign, cleared of weekday, season and holidays."""
    effects = planted_demand.effects(store)
    calendar = sum(effects[name] for name in ("weekday", "payday", "peak", "trend", "season"))
    pace = pd.DataFrame(np.exp(calendar), index=store.dates, columns=store.truth("sku")["sku"]).stack()
    usual = pace.reindex(pd.MultiIndex.from_frame(rows[["sold_on", "sku"]])).to_numpy()
    return (rows["knowable_demand_mean"] / usual).groupby([rows[key] for key in keys]).mean()


def test_the_end_of_a_sku_ends_its_forecast(planted: Planted) -> None:
    found = _forecasts(planted)
    after = found[found["sold_on"] > found["last_sold_on"] + pd.Timedelta(days=8)]
    fading = found[(found["last_sold_on"] - found["sold_on"]).dt.days.between(0, 44)]
    assert len(after) > 0
    assert len(fading) > 0
    assert after["knowable_demand_mean"].max() == 0
    assert abs(z_of_sums(fading["units"] - fading["knowable_demand_mean"], fading["as_of"], fading["sku"])) < LIMIT


def test_forecasts_are_made_every_28_days_for_28_days(planted: Planted) -> None:
    found = planted.truth("forecast")
    evenings = planted.dates[27::28]
    assert sorted(found["as_of"].unique()) == list(evenings)
    assert set((found["forecast_date"] - found["as_of"]).dt.days) == set(range(1, 29))


def test_the_closed_day_is_foreseen(planted: Planted) -> None:
    found = planted.truth("forecast")
    closed = found[found["forecast_date"].dt.strftime("%m-%d") == "12-25"]
    assert len(closed) > 0
    assert closed["knowable_demand_mean"].max() == 0
