"""The past of every series as figures of each of its days, none of which looks at a later day.

A series' pace is its share: units over what an average SKU of its department sold on the same days. So a wave that
lifts all SKUs, a season, a holiday, a weekday, is no change of any one of them, and long memory does no harm. Days
without stock, closed days and promoted days count in neither, and a day that sold out as the part until it did.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from models.demand.levels import CATEGORY_UNITS, HALF_LIVES, Groups, followed

if TYPE_CHECKING:
    from models.demand.panel import Panel

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]

WEEK = 7
_LEAST_LEVEL = 1e-6


class History:
    """Matrices of series by day, from the first day of the panel on; groups are departments at a location."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self.first = int(panel.day.min())
        self.days = int(panel.day.max()) - self.first + 1
        self.series = len(panel.keys)
        self._column = panel.day - self.first
        self._cell = panel.series * self.days + self._column
        place = np.unique(panel.keys["location_id"].to_numpy(str), return_inverse=True)[1]
        self._place = place[panel.series]
        self.sku = np.array([panel.plan.skus.get(sku, -1) for sku in panel.keys["sku"]], dtype=np.int64)
        discount = panel.plan.promoted(self.sku[panel.series], panel.day, panel.day)
        self._is_promoted = ~np.isnan(discount)
        self.group = self._grouped("category_1")
        self.kind = self._grouped("category_2")
        self._make_levels()
        self._make_shares()

    def cells(self, rows: Integers) -> Integers:
        return np.asarray(self._cell[rows])

    def window(self, sums: NDArray[Any], cells: Integers, size: int) -> Floats:
        """The total of the last `size` days up to each cell, from running totals."""
        flat, column = sums.reshape(-1), cells % self.days
        before = np.where(column >= size, flat[np.maximum(cells - size, 0)], 0)
        return (flat[cells] - before).astype(np.float64)

    @cached_property
    def units(self) -> Floats:
        """Running total of units on observed days."""
        return self._running(np.where(self._panel.is_observed, self._panel.units, 0.0), np.float64)

    @cached_property
    def observed(self) -> NDArray[np.int32]:
        return self._running(self._panel.is_observed, np.int32)

    @cached_property
    def stocked(self) -> Singles:
        """Running number of days in stock, the part of a day until it sold out counting for itself."""
        return self._running(self._panel.stocked_share, np.float32)

    @cached_property
    def sales(self) -> NDArray[np.int32]:
        """Running number of days with a sale."""
        return self._running(self._panel.is_observed & (self._panel.units > 0), np.int32)

    @cached_property
    def promoted(self) -> NDArray[np.int32]:
        return self._running(self._is_promoted, np.int32)

    @cached_property
    def last_sale(self) -> NDArray[np.int32]:
        """Column of the last day with a sale, -1 before the first."""
        sold = self._dense(np.where(self._panel.units > 0, self._column + 1, 0), np.int32)
        return np.asarray(np.maximum.accumulate(sold, axis=1) - 1)

    @cached_property
    def log_price(self) -> Singles:
        """Mean of the logarithm of past prices; NaN before the first."""
        price = self._panel.unit_price
        is_known = price > 0
        logs = np.log(np.where(is_known, price, 1.0))
        above, below = (self._faded(self._dense(each, np.float32), "middle") for each in (logs, is_known))
        known = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 1e-3)
        return np.asarray(known, np.float32)

    @cached_property
    def kind_log_price(self) -> Floats:
        """Mean of the logarithm of prices of a category's SKUs on a day, by category and day."""
        is_known = self._panel.unit_price > 0
        logs = np.log(np.where(is_known, self._panel.unit_price, 1.0))
        above, below = (self._by_day(self.kind, each) for each in (np.where(is_known, logs, 0.0), is_known))
        return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)

    @cached_property
    def pace_7d(self) -> Floats:
        return self._trailing(self.level, WEEK)

    @cached_property
    def pace_91d(self) -> Floats:
        return self._trailing(self.level, 91)

    def _grouped(self, category: str) -> Integers:
        codes = self._panel.codes[category].astype(np.int64) + 1
        pair = self._place * (len(self._panel.levels[category]) + 1) + codes
        return np.asarray(np.unique(pair, return_inverse=True)[1], np.int64)

    def _make_levels(self) -> None:
        """`level`: the pace of a group on a day; `pace` its mean of four weeks; `weekday` how much the day's weekday
        sells beside the others, by eight weeks."""
        panel = self._panel
        # Of a SKU that is not for sale nobody could want anything.
        self._stocked = np.where(panel.is_active & ~self._is_promoted, panel.stocked_share, 0.0)
        place_of = np.zeros(int(self.group.max()) + 1, np.int64)
        place_of[self.group] = self._place
        self._is_open = (self._by_day(self._place, self._stocked)[place_of] > 0).astype(np.float64)
        self.level = self._levels()
        self.pace = self._trailing(self.level, 28)
        mean = self._trailing(self.level, 8 * WEEK)
        level = self.level * self._is_open
        same, count = level.copy(), self._is_open.copy()
        for back in range(WEEK, min(8 * WEEK, self.days), WEEK):
            same[:, back:] += level[:, :-back]
            count[:, back:] += self._is_open[:, :-back]
        self.weekday = (same + 0.5 * mean) / (count + 0.5) / np.maximum(mean, _LEAST_LEVEL)

    def _levels(self) -> Floats:
        panel, of_series = self._panel, np.zeros((3, self.series), np.int64)
        of_series[:, panel.series] = self.group, self.kind, self._place
        units = np.where(self._stocked > 0, panel.units, 0.0)
        sold, stocked = (np.ascontiguousarray(self._dense(each, np.float32).T) for each in (units, self._stocked))
        return followed(sold, stocked, Groups(*of_series))

    def _make_shares(self) -> None:
        """`own` and `usual`: faded units of plain days, and what an average SKU would have sold on them."""
        panel = self._panel
        usual = self.level[self.group, self._column]
        own_rows, usual_rows = np.where(self._stocked > 0, panel.units, 0.0), usual * self._stocked
        self.plain_units, self.plain_usual = (self._dense(each, np.float32) for each in (own_rows, usual_rows))
        self.own = {name: self._faded(self.plain_units, name) for name in HALF_LIVES}
        self.usual = {name: self._faded(self.plain_usual, name) for name in HALF_LIVES}
        stocked = np.where(self._is_promoted, panel.stocked_share, 0.0)
        lifted = (np.where(stocked > 0, panel.units, 0.0), usual * stocked)
        self.lifted_own, self.lifted_usual = (self._faded(self._dense(each, np.float32), "long") for each in lifted)
        above, below = (self._faded(self._by_day(self.kind, each), "middle") for each in (own_rows, usual_rows))
        self.kind_share = (above + CATEGORY_UNITS) / (below + CATEGORY_UNITS)

    def _by_day(self, group: Integers, values: NDArray[Any]) -> Floats:
        shape = (int(group.max(initial=0)) + 1, self.days)
        cell = group * self.days + self._column
        total = np.bincount(cell, weights=values.astype(np.float64), minlength=shape[0] * shape[1])
        return total.astype(np.float64).reshape(shape)

    def _dense(self, values: NDArray[Any], kind: type) -> NDArray[Any]:
        matrix: NDArray[Any] = np.zeros(self.series * self.days, kind)
        matrix[self._cell] = values
        return matrix.reshape(self.series, self.days)

    def _running(self, values: NDArray[Any], kind: type) -> NDArray[Any]:
        dense = self._dense(values, kind)
        return np.cumsum(dense, axis=1, dtype=kind, out=dense)

    def _trailing(self, level: Floats, size: int) -> Floats:
        total, number = (np.cumsum(each, axis=1) for each in (level * self._is_open, self._is_open))
        for sums in (total, number):
            sums[:, size:] = sums[:, size:] - sums[:, :-size]
        return np.divide(total, number, out=np.zeros_like(total), where=number > 0)

    @staticmethod
    def _faded(values: NDArray[Any], name: str) -> NDArray[Any]:
        """Each day's total of the days so far, those of a half-life ago counting half."""
        kept = np.array([1.0, -(0.5 ** (1 / HALF_LIVES[name]))], values.dtype)
        return np.asarray(lfilter(np.ones(1, values.dtype), kept, values, axis=1))
