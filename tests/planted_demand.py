"""Demand rebuilt from the published parameters, effect by effect, and how well a store's own demand shows each.

Everything is a matrix of days by SKUs. The log of the expected number of first wishes is a sum of effects;
units follow by their mean quantity, second sizes, and carts bought in the week after.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from planted import Planted

PEAK_DAYS = {"Clothing": 300, "Shoes": 270, "Home": 340, "Garden": 135}
WEEKDAYS = (1.15, 1.05, 1.00, 0.95, 0.95, 0.80, 1.10)
# Quantities 1 to 4 with shares 0.82, 0.12, 0.04, 0.02.
MEAN_QUANTITY = 0.82 + 0.12 * 2 + 0.04 * 3 + 0.02 * 4
MEAN_SQUARE = 0.82 + 0.12 * 4 + 0.04 * 9 + 0.02 * 16
# Left carts come back with 0.12 times the odds to be bought at once, more by what messages add.
RETURNING = 0.12
RETURN_DAYS = (0.40, 0.22, 0.14, 0.10, 0.07, 0.04, 0.03)


@dataclass(frozen=True)
class Shown:
    """How much of a planted effect shows: 1 all, 0 none; with standard errors."""

    in_truth: float
    truth_error: float
    in_units: float
    units_error: float


def matrix(store: Planted, column: str) -> np.ndarray:
    table = store.truth("sku_day").pivot(index="sold_on", columns="sku", values=column)
    return table.reindex(index=store.dates, columns=store.truth("sku")["sku"]).to_numpy(dtype=float)


def department_season(dates: pd.DatetimeIndex, departments: pd.Series) -> np.ndarray:
    peak = departments.map(PEAK_DAYS).to_numpy()
    return 1 + 0.15 * np.cos(2 * np.pi / 365.25 * (dates.dayofyear.to_numpy()[:, None] - peak))


def holiday_peak(day: pd.Timestamp) -> float:
    after_friday = (day - black_friday(day.year)).days
    if -4 <= after_friday <= 3:
        return 2.2 if after_friday >= 0 else 1.4
    if day.month == 12:
        return 1.6 if day.day <= 18 else 0.9 if day.day <= 24 else 0.7
    return 0.85 if day.month == 1 else 1.0


def black_friday(year: int) -> pd.Timestamp:
    return next(day for day in pd.date_range(f"{year}-11-23", periods=7) if day.weekday() == 4)


def dips(discount: np.ndarray) -> np.ndarray:
    """The factor after promotions: 1 - discount on the day after, mended by exp(-days / 5)."""
    factor, last, since = np.ones_like(discount), np.zeros(discount.shape[1]), np.zeros(discount.shape[1])
    for day, running in enumerate(discount):
        since = since + 1
        factor[day] = np.where(running > 0, 1.0, 1 - last * np.exp(-(since - 1) / 5))
        last, since = np.where(running > 0, running, last), np.where(running > 0, 0, since)
    return factor


def list_prices(store: Planted, column: str = "list_price") -> np.ndarray:
    products = store.landed("products", "sku, list_price::DOUBLE list_price, unit_cost::DOUBLE unit_cost, is_active")
    table = products.pivot(index="ds", columns="sku", values=column)
    return table.reindex(index=store.dates, columns=store.truth("sku")["sku"]).to_numpy(dtype=float)


@cache
def effects(store: Planted) -> dict[str, np.ndarray]:
    """On the log scale; missing where a SKU is not sold."""
    skus, dates = store.truth("sku"), store.dates
    number, discount = np.arange(store.days), np.nan_to_num(matrix(store, "true_discount_pct"))
    age = (dates.to_numpy()[:, None] - skus["launched_on"].to_numpy()) / np.timedelta64(1, "D")
    left = (skus["last_sold_on"].to_numpy() - dates.to_numpy()[:, None]) / np.timedelta64(1, "D")
    price = list_prices(store)
    first_price = pd.DataFrame(price).bfill().iloc[0].to_numpy()
    shock = store.truth("shock").pivot(index="day", columns="department", values="true_shock")
    by_day = {
        "weekday": np.log(np.array(WEEKDAYS)[dates.dayofweek]),
        "payday": np.where((dates.day >= 25) & (dates.day <= 28), np.log(1.12), 0.0),
        "trend": np.log(1.12) * number / 365.25,
        "peak": np.log([holiday_peak(day) for day in dates]),
    }
    is_sold = (age >= 0) & (left >= 0)
    return {
        **{name: np.tile(effect[:, None], (1, len(skus))) for name, effect in by_day.items()},
        "season": np.log(department_season(dates, skus["department"])),
        "shock": np.log(shock.reindex(index=dates, columns=skus["department"]).to_numpy()),
        "price": -skus["true_elasticity"].to_numpy() * np.log(price / first_price),
        "promotion": skus["true_promotion_lift"].to_numpy() * discount,
        "dip": np.log(dips(discount)),
        "launch": np.log(1 - np.exp(-(np.where(is_sold, age, 1e6) + 1) / 14)),
        "phase_out": np.log(0.25 + 0.75 * np.clip(left / 45, 0, 1)),
    }


@cache
def rebuilt(store: Planted) -> tuple[np.ndarray, np.ndarray]:
    """Units expected on first wishes, and all units expected."""
    skus = store.truth("sku")
    is_sold = ~np.isnan(matrix(store, "true_demand_mean"))
    is_open = ~((store.dates.month == 12) & (store.dates.day == 25))
    log_wishes = np.where(is_sold, sum(effects(store).values()), -np.inf)
    wishes = skus["true_base_rate"].to_numpy() * np.exp(log_wishes) * is_open[:, None]
    wishes = np.nan_to_num(wishes)
    direct = wishes * MEAN_QUANTITY
    with_second = direct + 0.06 * wishes[:, _siblings(skus)[0]] * _siblings(skus)[1]
    with_second = with_second * is_sold
    returning = np.zeros_like(with_second)
    # Only what is on the shelf can be put in a cart.
    carted = with_second * np.nan_to_num(matrix(store, "true_in_stock_share"))
    carted *= _by_messages(store)[:, None]
    for after, share in enumerate(RETURN_DAYS, start=1):
        returning[after:] += RETURNING * share * carted[:-after]
    return direct, with_second + returning


def _by_messages(store: Planted) -> np.ndarray:
    """What messages make of the carts that come back, by days: less and less, as fewer customers are new."""
    carts = store.truth("cart").query("state == 'abandoned'")
    usual = carts["knowable_purchase_probability_idle"]
    added = carts["knowable_message_effect"].where(carts["experiment_group"] == "treatment", 0.0)
    spell = (carts["started_at"] - store.first_day).dt.days // 28
    factor = 1 + added.groupby(spell).sum() / usual.groupby(spell).sum()
    return factor.reindex(np.arange(store.days) // 28, method="nearest").to_numpy()


def _siblings(skus: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Of each SKU that whose second size it is: the one before in its style, worn and of several sizes."""
    number = pd.Series(np.arange(len(skus)))
    before = number.groupby(skus["style_id"]).transform(lambda group: np.roll(group, 1)).to_numpy()
    return before, (skus["department"].isin(["Clothing", "Shoes"]).to_numpy()) & (before != number.to_numpy())


def units_variance(mean: np.ndarray) -> np.ndarray:
    """Wishes have variance w + w^2 / 1.5; each is for 1.26 units with E[q^2] = 1.98."""
    wishes = mean / MEAN_QUANTITY
    return np.asarray(MEAN_SQUARE * wishes + MEAN_QUANTITY**2 * wishes**2 / 1.5)


@cache
def shown(store: Planted, effect: str) -> Shown:
    """One Newton step from the planted exponent, 1, within SKUs, by the truth's own means and by drawn units."""
    direct, total = rebuilt(store)
    mean = np.nan_to_num(matrix(store, "true_demand_mean"))
    units = np.nan_to_num(matrix(store, "true_demand_units") - matrix(store, "true_fraud_units"))
    expected = total * mean.sum(axis=0) / np.maximum(total.sum(axis=0), 1e-12)
    x = np.where(direct > 0, effects(store)[effect], 0.0)
    x = np.where(direct > 0, x - (expected * x).sum(axis=0) / np.maximum(expected.sum(axis=0), 1e-12), 0.0)
    information = (direct * expected / np.maximum(total, 1e-12) * x**2).sum()
    in_truth = 1 + (x * (mean - expected)).sum() / information
    in_units = in_truth + (x * (units - mean)).sum() / information
    # Left carts are few, and each weighs 0.12 times its odds, about 0.06: 0.12 of demand * 0.06 * 1.98 / 1.26.
    carts = np.sqrt((0.12 * 0.06 * MEAN_SQUARE / MEAN_QUANTITY * mean * x**2).sum()) / information
    return Shown(in_truth, carts, in_units, np.sqrt((units_variance(mean) * x**2).sum()) / information)
