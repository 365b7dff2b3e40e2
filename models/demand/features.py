"""What a demand forecast knows: one row a pair of origin and horizon.

A forecast for day t made h days ahead knows row t-h of `feat_sku_day` and older ones, what was announced for t by
then, the calendar of t, and nothing else; every column here is computed from those.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand.history import WEEK, History
from models.demand.levels import HALF_LIVES, PRIOR_UNITS
from models.demand.panel import CATEGORIES, Panel

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

CALENDAR = ("target_weekday", "target_day_of_month", "target_day_of_year")
# What the trees multiply, and what the baselines repeat: the trees see neither.
EXPECTED = "expected_units"
REPEATED = ("mean_28d", "mean_91d", "same_weekday_last", "same_weekday_mean", "unit_price")
NUMERIC = (
    "horizon_days",
    *CALENDAR,
    "days_since_holiday",
    "days_to_holiday",
    "has_event",
    "age_days",
    "log_expected",
    "known_units",
    "known_usual",
    "short_share",
    "long_share",
    "kind_share",
    "weekday_share",
    "pace_7d",
    "pace_91d",
    "pace_last_year",
    "days_since_sale",
    "sale_share_28d",
    "sale_share_91d",
    "units_per_sale",
    "observed_share_28d",
    "price_change",
    "price_in_category",
    "planned_discount",
    "is_planned",
    "since_promotion",
    "since_discount",
    "promotion_share",
    "promoted_share_28d",
)
# Where a rule speaks instead of the model.
RULES = ("is_ended", "is_closed")
FEATURES = (EXPECTED, *REPEATED, *RULES, *NUMERIC, *CATEGORIES)
# A SKU that was in stock on half of so many days and sold on none is no longer sold.
_ENDED_DAYS = 182
# More than so many days after a promotion nothing of it is felt.
_AFTER_DAYS = 7
_YEAR_DAYS = 364
_LEAST_UNITS = 1e-4


def pair_features(panel: Panel, origins: Integers, horizons: Integers) -> pd.DataFrame:
    """Features of each (origin row, horizon) pair, columns `FEATURES`, numbers as float64.

    `origins` are row numbers of `panel`, `horizons` days ahead (1 or more). Rates are per observed day and NaN
    where there was none. Shares and paces are logarithms of ratios.
    """
    cells = panel.history.cells(origins)
    columns: dict[str, object] = {"horizon_days": horizons.astype(np.float64)}
    columns.update(_calendar(panel, origins, horizons))
    columns.update(_recent(panel, origins, cells))
    columns.update(_same_weekday(panel, cells, horizons))
    columns.update(_shares(panel, origins, cells, horizons))
    columns.update(_prices(panel, origins, cells))
    columns.update(_promotions(panel, origins, cells, horizons))
    for name in CATEGORIES:
        columns[name] = panel.category(name, origins)
    return pd.DataFrame(columns)[list(FEATURES)]


def example_features() -> pd.DataFrame:
    """Two invented rows of `pair_features`, to show what a model is asked: a steady seller, and a new SKU."""
    numbers = (EXPECTED, *REPEATED, *NUMERIC)
    rules = dict.fromkeys(RULES, 0.0)
    steady = {
        **dict.fromkeys(numbers, 1.0),
        **rules,
        "unit_price": 9.99,
        "age_days": 400.0,
        "target_day_of_year": 152.0,
    }
    known = ("days_since_holiday", "days_to_holiday", "has_event", "log_expected", "known_units", "known_usual")
    new = {**dict.fromkeys(numbers, np.nan), **dict.fromkeys((*CALENDAR, *known), 3.0), **rules, EXPECTED: 0.2}
    new |= {"horizon_days": 28.0, "age_days": 28.0}
    # A SKU without a category is asked about too: an example that lacks one makes it optional in the signature.
    categories = (dict.fromkeys(CATEGORIES, "example"), dict.fromkeys(CATEGORIES))
    return pd.DataFrame([{**steady, **categories[0]}, {**new, **categories[1]}], columns=list(FEATURES))


def _calendar(panel: Panel, origins: Integers, horizons: Integers) -> dict[str, Floats]:
    """The calendar of the target day; Monday is 0."""
    day = panel.day[origins] + horizons
    dates = pd.DatetimeIndex(day.astype("datetime64[D]"))
    parts = (dates.dayofweek, dates.day, dates.dayofyear)
    columns = {name: np.asarray(part, np.float64) for name, part in zip(CALENDAR, parts, strict=True)}
    first, last = (int(day.min()), int(day.max())) if len(day) else (0, 0)
    since, ahead = panel.plan.holidays(first, last)
    places = panel.keys["location_id"].map(panel.plan.locations).fillna(-1).to_numpy(np.int64)
    place = np.asarray(places[panel.series[origins]], np.int64)
    return columns | {
        "days_since_holiday": since[day - first],
        "days_to_holiday": ahead[day - first],
        "has_event": panel.plan.has_event(place, day).astype(np.float64),
        "is_closed": panel.plan.is_closed(place, day).astype(np.float64),
        "age_days": panel.age_days[origins] + horizons,
    }


def _recent(panel: Panel, origins: Integers, cells: Integers) -> dict[str, Floats]:
    history = panel.history
    units, observed, sales = ({w: history.window(sums, cells, w) for w in (28, 91)} for sums in _sums(history))
    stocked = {w: history.window(history.stocked, cells, w) for w in (28, 91)}
    last = history.last_sale.reshape(-1)[cells]
    is_silent = history.window(history.sales, cells, _ENDED_DAYS) == 0
    is_silent &= history.window(history.observed, cells, _ENDED_DAYS) >= _ENDED_DAYS / 2
    return {
        "is_ended": (~panel.is_active[origins] | is_silent).astype(np.float64),
        **{f"mean_{w}d": _ratio(units[w], stocked[w]) for w in (28, 91)},
        **{f"sale_share_{w}d": _ratio(sales[w], observed[w]) for w in (28, 91)},
        "units_per_sale": _ratio(units[91], sales[91]),
        "days_since_sale": np.where(last >= 0, cells % history.days - last, np.nan).astype(np.float64),
        "observed_share_28d": observed[28] / np.minimum(panel.position[origins] + 1, 28),
        "promoted_share_28d": history.window(history.promoted, cells, 28) / 28,
    }


def _sums(history: History) -> tuple[NDArray[Any], ...]:
    return history.units, history.observed, history.sales


def _same_weekday(panel: Panel, cells: Integers, horizons: Integers) -> dict[str, Floats]:
    """Units of the newest day on the target's weekday, none later than the origin, and the mean of eight such.

    NaN where the series is younger or nothing was observed.
    """
    history = panel.history
    back, column = -horizons % WEEK, cells % history.days
    total, number, newest = np.zeros(len(cells)), np.zeros(len(cells)), np.full(len(cells), np.nan)
    for week in range(8):
        away = back + WEEK * week
        at, is_there = np.maximum(cells - away, 0), column >= away
        units = np.where(is_there, history.window(history.units, at, 1), 0.0)
        seen = np.where(is_there, history.window(history.observed, at, 1), 0.0)
        part = np.where(is_there, history.window(history.stocked, at, 1), 0.0)
        total, number = total + units, number + part
        if week == 0:
            newest = np.where(seen > 0, units, np.nan)
    return {"same_weekday_last": newest, "same_weekday_mean": _ratio(total, number)}


def _shares(panel: Panel, origins: Integers, cells: Integers, horizons: Integers) -> dict[str, Floats]:
    """The pace of the SKU among its department, that of the department, and the units both together expect."""
    history = panel.history
    column, group, kind = cells % history.days, history.group[origins], history.kind[origins]
    prior = history.kind_share[kind, column]
    own, usual = (
        {name: each[name].reshape(-1)[cells].astype(np.float64) for name in HALF_LIVES}
        for each in (history.own, history.usual)
    )
    share = {name: (own[name] + PRIOR_UNITS * prior) / (usual[name] + PRIOR_UNITS) for name in HALF_LIVES}
    pace = history.pace[group, column]
    on_weekday = np.maximum(column - (-horizons % WEEK), 0)
    weekday = history.weekday[group, on_weekday]
    # Rounded, so that a number sent as text is the same number.
    expected = np.round(np.maximum(share["middle"] * pace * weekday, _LEAST_UNITS), 6)
    return {
        EXPECTED: expected,
        "log_expected": np.log(expected),
        "known_units": np.log1p(own["middle"]),
        "known_usual": np.log1p(usual["middle"]),
        "short_share": np.log(share["short"] / share["middle"]),
        "long_share": np.log(share["long"] / share["middle"]),
        "kind_share": np.log(share["middle"] / prior),
        "weekday_share": _weekday_share(history, cells, horizons, share["middle"]),
        "pace_7d": _log_ratio(history.pace_7d[group, column], pace),
        "pace_91d": _log_ratio(history.pace_91d[group, column], pace),
        "pace_last_year": _last_year(history, group, column, horizons),
        "promotion_share": _promotion_share(history, cells, share["middle"]),
    }


def _weekday_share(history: History, cells: Integers, horizons: Integers, share: Floats) -> Floats:
    """How the SKU does on the target's weekday beside its other days, by eight weeks."""
    back, column = -horizons % WEEK, cells % history.days
    own, usual = np.zeros(len(cells)), np.zeros(len(cells))
    units, expected = history.plain_units.reshape(-1), history.plain_usual.reshape(-1)
    for week in range(8):
        away = back + WEEK * week
        at, is_there = np.maximum(cells - away, 0), column >= away
        own += np.where(is_there, units[at], 0.0)
        usual += np.where(is_there, expected[at], 0.0)
    return np.log((own + 1) / (usual * share + 1))


def _promotion_share(history: History, cells: Integers, share: Floats) -> Floats:
    """How the SKU did on promoted days beside others."""
    own, usual = (each.reshape(-1)[cells].astype(np.float64) for each in (history.lifted_own, history.lifted_usual))
    return np.log((own + 1) / (usual * share + 1))


def _last_year(history: History, group: Integers, column: Integers, horizons: Integers) -> Floats:
    """How the department did in the target's week a year ago beside the weeks before the origin's day a year ago."""
    then = column + horizons - _YEAR_DAYS + WEEK // 2
    before = column - _YEAR_DAYS
    is_known = before >= 27
    level, pace = history.pace_7d, history.pace
    around = level[group, np.clip(then, 0, history.days - 1)]
    return np.where(is_known, _log_ratio(around, pace[group, np.maximum(before, 0)]), np.nan)


def _prices(panel: Panel, origins: Integers, cells: Integers) -> dict[str, Floats]:
    """The price beside its own past, and beside its category's on the day."""
    history, price = panel.history, panel.unit_price[origins]
    is_known = price > 0
    log_price = np.where(is_known, np.log(np.where(is_known, price, 1.0)), np.nan)
    return {
        "unit_price": price,
        "price_change": log_price - history.log_price.reshape(-1)[cells],
        "price_in_category": log_price - history.kind_log_price[history.kind[origins], cells % history.days],
    }


def _promotions(panel: Panel, origins: Integers, cells: Integers, horizons: Integers) -> dict[str, Floats]:
    """What is planned for the target day, and how long ago and how deep the promotion before it was."""
    history, plan = panel.history, panel.plan
    sku, known_on = history.sku[panel.series[origins]], panel.day[origins]
    planned = plan.promoted(sku, known_on + horizons, known_on)
    since, discount = np.full(len(cells), float(_AFTER_DAYS + 1)), np.zeros(len(cells))
    for back in range(_AFTER_DAYS, 0, -1):
        found = plan.promoted(sku, known_on + horizons - back, known_on)
        since = np.where(np.isnan(found), since, float(back))
        discount = np.where(np.isnan(found), discount, found)
    return {
        "planned_discount": np.nan_to_num(planned),
        "is_planned": (~np.isnan(planned)).astype(np.float64),
        "since_promotion": since,
        "since_discount": discount,
    }


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0), np.float64)


def _log_ratio(above: Floats, below: Floats) -> Floats:
    is_known = (above > 0) & (below > 0)
    ratio = np.divide(above, below, out=np.full(len(above), np.nan), where=is_known)
    return np.asarray(np.log(ratio), np.float64)
