"""What a demand forecast knows: one row a pair of origin and horizon.

A forecast for day t made h days ahead knows row t-h of `feat_sku_day` and older ones, the calendar of t, and
nothing else; every column here is computed from those.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand.panel import CATEGORIES, Panel

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

CALENDAR = ("target_weekday", "target_day_of_month", "target_day_of_year", "target_week_of_year")
NUMERIC = (
    "horizon_days",
    *CALENDAR,
    "age_days",
    "unit_price",
    "days_since_sale",
    "mean_7d",
    "mean_28d",
    "mean_91d",
    "sale_share_28d",
    "sale_share_91d",
    "observed_share_28d",
    "same_weekday_last",
    "same_weekday_mean",
)
FEATURES = (*NUMERIC, *CATEGORIES)
WEEK = 7


def pair_features(panel: Panel, origins: Integers, horizons: Integers) -> pd.DataFrame:
    """Features of each (origin row, horizon) pair, columns `FEATURES`, numbers as float64.

    `origins` are row numbers of `panel`, `horizons` days ahead (1 or more). Rates are per observed day and NaN
    where there was none.
    """
    columns: dict[str, object] = {"horizon_days": horizons.astype(np.float64)}
    columns.update(target_calendar(panel.day[origins] + horizons))
    for name in ("age_days", "unit_price", "days_since_sale"):
        columns[name] = panel.numbers(name)[origins]
    for window in (7, 28, 91):
        observed = panel.numbers(f"observed_days_{window}d")[origins]
        columns[f"mean_{window}d"] = _per_day(panel.numbers(f"units_{window}d")[origins], observed)
        if window != WEEK:
            columns[f"sale_share_{window}d"] = _per_day(panel.numbers(f"sale_days_{window}d")[origins], observed)
    columns["observed_share_28d"] = panel.numbers("observed_days_28d")[origins] / np.minimum(
        panel.position[origins] + 1, 28
    )
    columns.update(_same_weekday(panel, origins, horizons))
    for name in CATEGORIES:
        columns[name] = panel.frame[name].array[origins]
    return pd.DataFrame(columns)[list(FEATURES)]


def example_features() -> pd.DataFrame:
    """Two invented rows of `pair_features`, to show what a model is asked: a steady seller, and a new SKU."""
    steady = {**dict.fromkeys(NUMERIC, 1.0), "unit_price": 9.99, "age_days": 400.0, "target_day_of_year": 152.0}
    new = {**dict.fromkeys(NUMERIC, np.nan), **dict.fromkeys(CALENDAR, 3.0)}
    new |= {"horizon_days": 28.0, "age_days": 0.0, "mean_7d": 2.0}
    # A SKU without a category is asked about too: an example that lacks one makes it optional in the signature.
    categories = (dict.fromkeys(CATEGORIES, "example"), dict.fromkeys(CATEGORIES))
    return pd.DataFrame([{**steady, **categories[0]}, {**new, **categories[1]}], columns=list(FEATURES))


def target_calendar(day: Integers) -> dict[str, Floats]:
    """The calendar of days since 1970-01-01; Monday is 0, ISO weeks."""
    dates = pd.DatetimeIndex(day.astype("datetime64[D]"))
    parts = (dates.dayofweek, dates.day, dates.dayofyear, dates.isocalendar()["week"])
    return {name: np.asarray(part, np.float64) for name, part in zip(CALENDAR, parts, strict=True)}


def _same_weekday(panel: Panel, origins: Integers, horizons: Integers) -> dict[str, Floats]:
    """Units of the newest day on the target's weekday, none later than the origin, and the mean of eight such.

    NaN where the series is younger or nothing was observed.
    """
    back = -horizons % WEEK
    row = np.maximum(origins - back, 0)
    exists = panel.position[origins] >= back
    observed = np.where(exists, panel.numbers("same_weekday_days_8w")[row], 0.0)
    return {
        "same_weekday_last": np.where(exists & panel.is_observed[row], panel.units[row], np.nan),
        "same_weekday_mean": _per_day(panel.numbers("same_weekday_units_8w")[row], observed),
    }


def _per_day(units: Floats, observed_days: Floats) -> Floats:
    rate = np.full(len(units), np.nan)
    np.divide(units, observed_days, out=rate, where=observed_days > 0)
    return rate
