"""Prices and costs change, and the end of a SKU is announced."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import planted_demand
from chance import LIMIT, is_count_of_rate
from planted import Planted


def test_costs_change_once_in_180_days(planted: Planted) -> None:
    cost = planted_demand.list_prices(planted, "unit_cost")
    # A new cost is equal to the old one, to the penny, in less than 1 of 100 cases.
    is_change = (np.diff(cost, axis=0) != 0) & ~np.isnan(np.diff(cost, axis=0))
    listed = (~np.isnan(np.diff(cost, axis=0))).sum()
    assert is_count_of_rate(int(is_change.sum()), listed / 180)
    log = np.log(cost[1:] / np.roll(cost, 1, axis=0)[1:])[is_change]
    # From one draw around the reference to another sqrt(2) * 0.05, from the reference itself 0.05.
    assert 0.05 < log.std() < np.sqrt(2) * 0.05


def test_list_prices_change_once_in_120_days(planted: Planted) -> None:
    price = planted_demand.list_prices(planted)
    is_listed = ~np.isnan(np.diff(price, axis=0))
    is_change = (np.diff(price, axis=0) != 0) & is_listed
    # Prices end in 49 or 99, so a new one is the old one with chance 0.50 / (2 sqrt(pi) * 0.10 * price).
    moves = (1 - 0.5 / (2 * np.sqrt(np.pi) * 0.10 * price[:-1])) / 120
    assert is_count_of_rate(int(is_change.sum()), moves[is_listed].sum())
    assert set(np.rint(price[~np.isnan(price)] * 100).astype(int) % 50) == {49}


def test_list_prices_stray_by_a_tenth(planted: Planted) -> None:
    price = planted_demand.list_prices(planted)
    is_old = ~np.isnan(price[0])
    log = np.log(price[-1] / price[0])[is_old]
    log = log[log != 0]
    assert abs(log.std() / 0.10 - 1) < LIMIT / np.sqrt(2 * len(log)) + 0.02
    assert abs(log.mean()) < LIMIT * 0.10 / np.sqrt(len(log)) + 0.01


def test_demand_within_a_sku_falls_with_its_list_price(planted: Planted) -> None:
    price, discount = planted_demand.list_prices(planted), planted_demand.matrix(planted, "true_discount_pct")
    mean = planted_demand.matrix(planted, "true_demand_mean")
    others = sum(effect for name, effect in planted_demand.effects(planted).items() if name != "price")
    is_plain = (discount == 0) & (mean > 0)
    log_demand = pd.DataFrame(np.where(is_plain, np.log(np.maximum(mean, 1e-9)) - others, np.nan))
    log_price = pd.DataFrame(np.where(is_plain, np.log(price), np.nan))
    demand_dev, price_dev = log_demand - log_demand.mean(), log_price - log_price.mean()
    by_sku = (price_dev**2).sum()
    slope = (demand_dev * price_dev).sum().sum() / by_sku.sum()
    # Elasticity is 1.4 with sd 0.4 over SKUs, which weigh by how much their prices moved.
    heterogeneity = 0.4 * np.sqrt((by_sku**2).sum()) / by_sku.sum()
    # About 0.11 of demand comes from carts of the week before; for a few days it still has the old price's rate.
    assert abs(slope + 1.4) < LIMIT * heterogeneity + 0.05
    assert LIMIT * heterogeneity < 0.5


def test_a_sku_is_active_while_it_is_sold(planted: Planted) -> None:
    products = _with_ends(planted)
    is_sold = (products["ds"] >= products["launched_on"]) & (products["ds"] <= products["last_sold_on"])
    assert (products["is_active"] == is_sold).all()
    sold = planted.truth("sku_day").merge(planted.truth("sku")[["sku", "launched_on", "last_sold_on"]], on="sku")
    assert (sold["sold_on"] <= sold["last_sold_on"]).all()
    assert (~products["is_active"]).any()


def test_the_last_day_is_announced_45_days_ahead(planted: Planted) -> None:
    products = _with_ends(planted)
    told = products["attributes"].map(lambda text: json.loads(text).get("last_sold_on"))
    # With the 45th day before the first on which it is no longer sold.
    is_near = products["ds"] >= products["last_sold_on"] + pd.Timedelta(days=1 - 45)
    assert (told.notna() == is_near).all()
    assert (told[is_near] == products.loc[is_near, "last_sold_on"].dt.strftime("%Y-%m-%d")).all()
    assert is_near.any()


def test_skus_end_at_the_published_pace(planted: Planted) -> None:
    styles = planted.truth("sku").drop_duplicates("style_id")
    since = styles["launched_on"].clip(lower=planted.first_day)
    life = (styles["last_sold_on"] - since).dt.days + 1
    assert life.min() >= 120
    # Beyond 120 days exponential of mean 1,500: whole days cut off half a day.
    assert abs((life - 120).mean() + 0.5 - 1500) < LIMIT * 1500 / np.sqrt(len(life))


def _with_ends(store: Planted) -> pd.DataFrame:
    products = store.landed("products", "sku, is_active, attributes, launched_on AS told_launch")
    return products.merge(store.truth("sku")[["sku", "launched_on", "last_sold_on"]], on="sku")


def test_no_sale_comes_after_the_last_day(planted: Planted) -> None:
    lines = planted.truth("line").merge(planted.truth("sku")[["sku", "last_sold_on"]], on="sku")
    assert (lines["ordered_on"] <= lines["last_sold_on"]).all()
