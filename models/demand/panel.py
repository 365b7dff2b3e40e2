"""The daily history of every SKU and location as arrays: dense, ordered, one row a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand.plan import NOTHING_PLANNED, Plan

if TYPE_CHECKING:
    from models.demand.history import History

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

KEY = ("sku", "location_id", "sold_on")
CATEGORIES = ("category_1", "category_2", "brand")
NUMBERS = ("units", "unit_price", "age_days")
# All that is ever read of `feat_sku_day`: a column that is not named here cannot reach a model.
COLUMNS = (*KEY, "is_observed", "is_sold_out", "is_active", *NUMBERS, *CATEGORIES)
# The last unit goes at any moment of its day alike, so that half of the day's demand comes after it.
SOLD_OUT_SHARE = 0.5


@dataclass(frozen=True)
class Panel:
    """Rows by sku, location and day; `series` and `position` number the series and their days.

    `keys` has a row a series (sku, location_id), `day` counts from 1970-01-01, `codes` are of each row's value among
    `levels` (-1 for none), `plan` is what is planned for coming days, `supply` what orders need to know.
    """

    keys: pd.DataFrame
    series: Integers
    position: Integers
    day: Integers
    units: Floats
    is_observed: NDArray[np.bool_]
    is_sold_out: NDArray[np.bool_]
    is_active: NDArray[np.bool_]
    unit_price: Floats
    age_days: Floats
    codes: Mapping[str, NDArray[np.int32]]
    levels: Mapping[str, tuple[str, ...]]
    plan: Plan = field(default=NOTHING_PLANNED)
    supply: pd.DataFrame | None = None

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, plan: Plan = NOTHING_PLANNED, supply: pd.DataFrame | None = None) -> Panel:
        """Take the known columns of `feat_sku_day`, in any row order.

        Units are never below 0: a correction that outweighs its day is no negative demand. Raises `ValueError` when a
        column is missing or a series has a gap or a day twice: lags are taken by position and would silently mean
        other days.
        """
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise ValueError(f"feat_sku_day lacks {', '.join(missing)}")
        keys, series, day, order = _ordered(frame)
        if (np.diff(day)[series[1:] == series[:-1]] != 1).any():
            raise ValueError("feat_sku_day has a gap or a day twice within a SKU and location")
        numbers = {name: _numbers(frame[name])[order] for name in NUMBERS}
        codes, levels = {}, {}
        for name in CATEGORIES:
            values, found = pd.factorize(frame[name].astype(object), sort=True)
            codes[name], levels[name] = values.astype(np.int32)[order], tuple(map(str, found))
        return cls(
            keys,
            series,
            _positions(series),
            day,
            np.maximum(numbers["units"], 0.0),
            frame["is_observed"].to_numpy(bool)[order],
            frame["is_sold_out"].to_numpy(bool)[order],
            (frame["is_active"].astype("boolean").to_numpy(bool, na_value=True))[order],
            numbers["unit_price"],
            numbers["age_days"],
            codes,
            levels,
            plan,
            supply,
        )

    def until(self, last: date) -> Panel:
        """The panel as it stood at the end of `last`, with what was announced by then."""
        keep = self.day <= day_number(last)
        flags, numbers = ("is_observed", "is_sold_out", "is_active"), ("units", "unit_price", "age_days")
        columns = {name: getattr(self, name)[keep] for name in ("series", "position", "day", *flags, *numbers)}
        codes = {name: values[keep] for name, values in self.codes.items()}
        return replace(self, **columns, codes=codes, plan=self.plan.known_by(day_number(last)))

    @cached_property
    def stocked_share(self) -> Floats:
        """The part of each day's demand that found stock: all, none, or `SOLD_OUT_SHARE`."""
        return np.where(self.is_observed, np.where(self.is_sold_out, SOLD_OUT_SHARE, 1.0), 0.0)

    @cached_property
    def history(self) -> History:
        """Figures of the past of every series and day."""
        from models.demand.history import History

        return History(self)

    def category(self, name: str, rows: Integers) -> NDArray[np.object_]:
        """The values of a category at rows, None where there is none."""
        values = np.array([*self.levels[name], None], dtype=object)
        return np.asarray(values[self.codes[name][rows]], dtype=object)

    def rows_on(self, day: date) -> Integers:
        """The row of each series that is in the grid on `day`."""
        return np.flatnonzero(self.day == day_number(day))

    def target_rows(self, origins: Integers, horizons: Integers) -> Integers:
        """The row `horizons` days after each origin row, or -1 where the series ends before it."""
        target = np.minimum(origins + horizons, len(self.series) - 1)
        is_inside = (self.series[target] == self.series[origins]) & (target == origins + horizons)
        return np.where(is_inside, target, -1)


def day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def days(dates: pd.Series | Sequence[date]) -> Integers:
    """Days since 1970-01-01."""
    # Each date once: Arrow's are made into Python's one by one.
    codes, found = pd.factorize(pd.Series(dates))
    return pd.to_datetime(pd.Series(found)).to_numpy("datetime64[D]").astype(np.int64)[codes]


def _ordered(frame: pd.DataFrame) -> tuple[pd.DataFrame, Integers, Integers, Integers]:
    """The series of a frame, the series and day of its rows in order, and the order."""
    sku, location = (pd.factorize(frame[name].astype(str), sort=True) for name in KEY[:2])
    place = sku[0].astype(np.int64) * max(len(location[1]), 1) + location[0]
    found, series = np.unique(place, return_inverse=True)
    day = days(frame["sold_on"])
    order = np.lexsort((day, series))
    width = max(len(location[1]), 1)
    keys = pd.DataFrame(
        {
            "sku": np.asarray(sku[1], dtype=object)[found // width],
            "location_id": np.asarray(location[1], dtype=object)[found % width],
        }
    )
    return keys, series[order].astype(np.int64), day[order], order


def _numbers(column: pd.Series) -> Floats:
    return np.asarray(column.astype("float64").to_numpy(np.float64, na_value=np.nan), np.float64)


def _positions(series: Integers) -> Integers:
    start = np.r_[True, series[1:] != series[:-1]] if len(series) else np.zeros(0, bool)
    first = np.flatnonzero(start)
    return np.arange(len(series)) - np.repeat(first, np.diff(np.r_[first, len(series)]))
