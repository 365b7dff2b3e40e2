"""The simulated store behaves as its model says: a planted property that were gone would be missed here."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.simulate import SimulatedStore, simulate
from pipelines.simulate.arguments import Arguments

FIRST_DAY = date(2025, 3, 3)
WEEKS = 26


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SimulatedStore:
    folder = tmp_path_factory.mktemp("behaviour")
    arguments = Arguments(0.1, 7 * WEEKS, 3, FIRST_DAY, frozenset({"order_lines", "products"}))
    return simulate(folder / "landing", folder / "truth", arguments, lambda _: None)


@pytest.fixture(scope="module")
def sku_day(store: SimulatedStore) -> pd.DataFrame:
    frame = pd.read_parquet(Path(store.truth) / "sku_day.parquet")
    frame["sold_on"] = pd.to_datetime(frame["sold_on"])
    return frame


def test_demand_is_drawn_around_its_mean(sku_day: pd.DataFrame) -> None:
    # var = mean + mean^2 / 1.5 for wishes, each of 1.26 units on average with E[q^2] = 1.98
    wishes = sku_day["true_demand_mean"] / 1.26
    variance = 1.98 * wishes + 1.26**2 * wishes**2 / 1.5
    z = (sku_day["true_demand_units"].sum() - sku_day["true_demand_mean"].sum()) / np.sqrt(variance.sum())
    assert abs(z) < 4
    spread = ((sku_day["true_demand_units"] - sku_day["true_demand_mean"]) ** 2).sum()
    assert spread == pytest.approx(variance.sum(), rel=0.15)
    assert spread > 1.3 * sku_day["true_demand_mean"].sum()


def test_most_skus_sell_on_a_minority_of_days(sku_day: pd.DataFrame) -> None:
    sale_days = (sku_day["sold_units"] > 0).groupby(sku_day["sku"]).mean()
    assert (sale_days < 0.5).mean() > 0.7
    assert (sale_days > 0.5).any()
    by_sku = sku_day.groupby("sku")["sold_units"].sum().sort_values(ascending=False)
    assert by_sku.head(len(by_sku) // 5).sum() > 0.5 * by_sku.sum()


def test_some_skus_launch_and_none_sells_before(store: SimulatedStore, sku_day: pd.DataFrame) -> None:
    products = pd.concat([pd.read_csv(path) for path in sorted((store.landing / "products").iterdir())])
    launched_on = pd.to_datetime(products.groupby("sku")["launched_on"].first())
    first_row = sku_day.groupby("sku")["sold_on"].min()
    assert (first_row == launched_on.clip(lower=pd.Timestamp(FIRST_DAY))).all()
    assert 0 < (launched_on > pd.Timestamp(FIRST_DAY)).sum() < len(launched_on) / 4


def test_list_prices_change_and_demand_answers(store: SimulatedStore, sku_day: pd.DataFrame) -> None:
    parts = [
        pd.read_csv(path, usecols=["sku", "list_price"]).assign(sold_on=pd.Timestamp(path.name[:10]))
        for path in sorted((store.landing / "products").iterdir())
    ]
    priced = sku_day.merge(pd.concat(parts), on=["sku", "sold_on"])
    assert 0.5 < (priced.groupby("sku")["list_price"].nunique() > 1).mean() < 1
    # A SKU's own means under its own prices, less what all SKUs share: elasticity is 1.4, sd 0.4 over SKUs.
    priced = priced[priced["true_discount_pct"] == 0]
    trend = priced.groupby("sold_on")["true_demand_mean"].transform("mean")
    log_demand, log_price = np.log(priced["true_demand_mean"] / trend), np.log(priced["list_price"])
    demand_dev = log_demand - log_demand.groupby(priced["sku"]).transform("mean")
    price_dev = log_price - log_price.groupby(priced["sku"]).transform("mean")
    slope = (demand_dev * price_dev).sum() / (price_dev**2).sum()
    assert slope == pytest.approx(-1.4, abs=0.3)


def test_the_week_has_its_profile(sku_day: pd.DataFrame) -> None:
    units = sku_day.groupby(sku_day["sold_on"].dt.weekday)["true_demand_units"].sum()
    share = 7 * units / units.sum()
    planted = np.array([1.15, 1.05, 1.00, 0.95, 0.95, 0.80, 1.10])
    # Units of a weekday have a standard error of about 2.5 % here.
    assert np.abs(share.to_numpy() - planted).max() < 0.1
    assert share.idxmin() == 5


def test_stockouts_censor_a_few_percent_of_days(sku_day: pd.DataFrame) -> None:
    assert 0.03 < 1 - sku_day["is_in_stock"].mean() < 0.10
    assert 0.02 < sku_day["true_lost_units"].sum() / sku_day["true_demand_units"].sum() < 0.15


def test_promotions_lift_demand(sku_day: pd.DataFrame) -> None:
    usual = sku_day[sku_day["true_discount_pct"] == 0].groupby("sku")["true_demand_units"].mean()
    promoted = sku_day[sku_day["true_discount_pct"] > 0].join(usual.rename("usual"), on="sku")
    lift = promoted["true_demand_units"].sum() / promoted["usual"].sum()
    # exp(2.5 x discount) for discounts of 10, 15, 20, 30 %: between 1.28 and 2.12
    assert 1.2 < lift < 2.2


def test_returns_follow_their_probability(store: SimulatedStore) -> None:
    lines = pd.read_parquet(Path(store.truth) / "line.parquet")
    chance = lines["true_return_probability"]
    z = (lines["is_returned"].sum() - chance.sum()) / np.sqrt((chance * (1 - chance)).sum())
    assert abs(z) < 4
    assert 0.08 < lines["is_returned"].mean() < 0.25
    high = chance > chance.quantile(0.8)
    assert lines.loc[high, "is_returned"].mean() > 2 * lines.loc[~high, "is_returned"].mean()
