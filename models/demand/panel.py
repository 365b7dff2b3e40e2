"""The daily history of every SKU and location as arrays: dense, ordered, one row a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

KEY = ("sku", "location_id", "sold_on")
CATEGORIES = ("category_1", "category_2", "brand")
NUMBERS = (
    "units",
    "unit_price",
    "age_days",
    "units_7d",
    "units_28d",
    "units_91d",
    "observed_days_7d",
    "observed_days_28d",
    "observed_days_91d",
    "sale_days_28d",
    "sale_days_91d",
    "days_since_sale",
    "same_weekday_units_8w",
    "same_weekday_days_8w",
)
# All that is ever read of `feat_sku_day`: a column that is not named here cannot reach a model.
COLUMNS = (*KEY, "is_observed", *NUMBERS, *CATEGORIES)


@dataclass(frozen=True)
class Panel:
    """`frame` ordered by sku, location and day; `series` and `position` number its series and their days.

    Numbers are float64, categories pandas categoricals, `day` days since 1970-01-01.
    """

    frame: pd.DataFrame
    series: NDArray[np.int64]
    position: NDArray[np.int64]
    day: NDArray[np.int64]

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Panel:
        """Take the known columns of `feat_sku_day`, in any row order.

        Raises `ValueError` when a column is missing or a series has a gap or a day twice: lags are taken by
        position and would silently mean other days.
        """
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise ValueError(f"feat_sku_day lacks {', '.join(missing)}")
        taken = frame[list(COLUMNS)].sort_values(list(KEY), kind="stable", ignore_index=True)
        day = days(taken["sold_on"])
        series = taken.groupby(["sku", "location_id"], sort=False).ngroup().to_numpy().astype(np.int64)
        is_same = series[1:] == series[:-1]
        if (np.diff(day)[is_same] != 1).any():
            raise ValueError("feat_sku_day has a gap or a day twice within a SKU and location")
        for name in NUMBERS:
            taken[name] = taken[name].astype("float64")
        taken["is_observed"] = taken["is_observed"].astype(bool)
        for name in CATEGORIES:
            taken[name] = pd.Categorical(taken[name].astype(object))
        return cls(taken, series, _positions(series), day)

    def until(self, last: date) -> Panel:
        """The panel as it stood at the end of `last`."""
        keep = self.day <= day_number(last)
        frame = self.frame[keep].reset_index(drop=True)
        return Panel(frame, self.series[keep], self.position[keep], self.day[keep])

    def numbers(self, name: str) -> NDArray[np.float64]:
        return self.frame[name].to_numpy(np.float64)

    @property
    def is_observed(self) -> NDArray[np.bool_]:
        return self.frame["is_observed"].to_numpy(bool)

    @property
    def units(self) -> NDArray[np.float64]:
        """Units demanded a day, never below 0: a correction that outweighs its day is no negative demand."""
        return np.maximum(self.numbers("units"), 0.0)

    def rows_on(self, day: date) -> NDArray[np.int64]:
        """The row of each series that is in the grid on `day`."""
        return np.flatnonzero(self.day == day_number(day))

    def target_rows(self, origins: NDArray[np.int64], horizons: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row `horizons` days after each origin row, or -1 where the series ends before it."""
        target = np.minimum(origins + horizons, len(self.series) - 1)
        is_inside = (self.series[target] == self.series[origins]) & (target == origins + horizons)
        return np.where(is_inside, target, -1)


def day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def days(dates: pd.Series | Sequence[date]) -> NDArray[np.int64]:
    """Days since 1970-01-01."""
    return pd.to_datetime(pd.Series(dates)).to_numpy("datetime64[D]").astype(np.int64)


def _positions(series: NDArray[np.int64]) -> NDArray[np.int64]:
    start = np.r_[True, series[1:] != series[:-1]] if len(series) else np.zeros(0, bool)
    first = np.flatnonzero(start)
    return np.arange(len(series)) - np.repeat(first, np.diff(np.r_[first, len(series)]))
