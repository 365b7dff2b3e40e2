"""The warehouse: what is on hand, what is on order, and the reorder policy that keeps it so.

Policy, per SKU at the close of a day: with m the moving average of daily sales and L the lead time, reorder
when on hand + on order <= m (L + 1) + z sqrt(m (L + 1)), up to that point plus `cover_days` days of sales,
in whole packs. Nothing is ordered that would arrive when the SKU is as good as gone.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy.special import pdtr

from pipelines.simulate import text
from pipelines.simulate.catalog import Catalog
from pipelines.simulate.parameters import LOCATION, StockParameters
from pipelines.simulate.streams import Floats, Ints, Purpose, days_between, stream

# Goods on their way arrive within so many days; the ring of arrivals is as long.
MOST_DAYS_AHEAD = 128
DAY_SECONDS = 100_000  # more than any day has


class Stock:
    def __init__(self, seed: int, parameters: StockParameters, catalog: Catalog, mean_quantity: float) -> None:
        self._seed = seed
        self._parameters = parameters
        self._catalog = catalog
        self._daily_sales = catalog.base_rate * mean_quantity
        self.on_hand = np.zeros(catalog.size, dtype=np.int64)
        self.last_close = self.on_hand
        self.opening = self.on_hand
        self._on_order = np.zeros(catalog.size, dtype=np.int64)
        self._purchased = np.zeros((MOST_DAYS_AHEAD, catalog.size), dtype=np.int64)
        self._given_back = np.zeros((MOST_DAYS_AHEAD, catalog.size), dtype=np.int64)

    def open(self, day: int) -> None:
        """Take in what arrives before the shop opens; a SKU starts with its order-up-to level."""
        slot = day % MOST_DAYS_AHEAD
        self.on_hand += self._purchased[slot] + self._given_back[slot]
        self._on_order -= self._purchased[slot]
        self._purchased[slot] = self._given_back[slot] = 0
        launch = np.maximum(self._catalog.launch_day, 0)
        self.on_hand += np.where(launch == day, self._order_up_to(), 0)
        self.opening = self.on_hand.copy()

    def fill(self, sku: Ints, wanted: Ints) -> Ints:
        """Units sold to each wish, in the order given, and taken off the shelf."""
        order = np.argsort(sku, kind="stable")
        sku, wanted = sku[order], wanted[order]
        up_to = np.cumsum(wanted)
        first = np.searchsorted(sku, sku, side="left")
        before = up_to - wanted - (up_to - wanted)[first]
        sold = np.clip(self.on_hand[sku] - before, 0, wanted)
        np.subtract.at(self.on_hand, sku, sold)
        filled = np.empty_like(sold)
        filled[order] = sold
        return filled

    def left_at(self, sold_sku: Ints, sold_at: Ints, sold: Ints, sku: Ints, at: Ints) -> Ints:
        """Units on the shelf of these SKUs at these seconds of the day, given what was sold when."""
        key, order = sold_sku * DAY_SECONDS + sold_at, np.argsort(sold_sku * DAY_SECONDS + sold_at, kind="stable")
        total = np.concatenate([[0], np.cumsum(sold[order])])
        before = total[np.searchsorted(key[order], sku * DAY_SECONDS + at, side="left")]
        earlier_skus = total[np.searchsorted(key[order], sku * DAY_SECONDS, side="left")]
        return np.asarray(self.opening[sku] - (before - earlier_skus))

    def sold_out_at(self, sold_sku: Ints, sold_at: Ints, sold: Ints, seconds: int) -> Ints:
        """The second of the day from which each SKU's shelf was empty; `seconds`, the day's length, if it never was."""
        last, sells = np.zeros(self._catalog.size, dtype=np.int64), sold > 0
        np.maximum.at(last, sold_sku[sells], sold_at[sells])
        return np.where(self.on_hand > 0, seconds, last)

    def chances_on_shelf(self, day: int, days: int, sku: Ints) -> Floats:
        """The chance of each SKU to be in stock so many days after tonight, shape (days, SKUs asked for).

        From tonight's shelf and what arrives, against Poisson sales at the planner's moving average.
        """
        slots = (day + 1 + np.arange(days)) % MOST_DAYS_AHEAD
        arrived = np.cumsum(self._purchased[slots] + self._given_back[slots], axis=0)
        is_sold = np.stack([self._catalog.is_sold(day + ahead) for ahead in range(1, days + 1)])
        units = ((self.on_hand + arrived) * is_sold)[:, sku]
        sold = np.maximum(self._daily_sales[sku], 0.0) * np.arange(1, days + 1)[:, None]
        return np.where(units > 0, pdtr(np.maximum(units - 1, 0), sold), 0.0)

    def give_back(self, sku: Ints, units: Ints, day: Ints) -> None:
        """Units of cancellations and returns that go back on the shelf when `day` opens."""
        np.add.at(self._given_back, (day % MOST_DAYS_AHEAD, sku), units)

    def close(self, day: int, sold: Ints) -> None:
        """Learn from the day's sales, but not from an empty shelf, and reorder."""
        own, catalog = self._parameters, self._catalog
        self.last_close = self.on_hand.copy()
        has_sold_freely = (self.on_hand > 0) & catalog.is_sold(day)
        step = (sold - self._daily_sales) / own.memory_days
        self._daily_sales = self._daily_sales + np.where(has_sold_freely, step, 0.0)
        position = self.on_hand + self._on_order
        goes_on = catalog.is_sold(day + catalog.lead_time_days + own.last_order_days)
        is_due = (position <= self._reorder_point()) & (catalog.launch_day <= day) & goes_on
        units = np.where(is_due, np.maximum(self._order_up_to() - position, 1), 0)
        units = -(-units // catalog.pack_size) * catalog.pack_size
        rng = stream(self._seed, Purpose.STOCK, day)
        is_late = rng.random(catalog.size) < own.late_share
        late = np.where(is_late, days_between(rng, own.late_days, catalog.size), 0)
        arrival = (day + 1 + catalog.lead_time_days + late) % MOST_DAYS_AHEAD
        self._purchased[arrival, np.arange(catalog.size)] += units
        self._on_order += units

    def _reorder_point(self) -> Floats:
        during_lead = self._daily_sales * (self._catalog.lead_time_days + 1)
        return np.asarray(during_lead + self._parameters.safety_factor * np.sqrt(during_lead))

    def _order_up_to(self) -> Ints:
        level = self._reorder_point() + self._daily_sales * self._parameters.cover_days
        return np.maximum(1, np.ceil(level)).astype(np.int64)

    def rows(self, day: int) -> pa.Table:
        """The snapshot at close: every SKU launched by then."""
        listed = self._catalog.listed(day)
        return text.rows(
            "inventory",
            {
                "sku": text.picked(self._catalog.sku, listed),
                "location_id": text.constant(LOCATION, len(listed)),
                "on_hand": text.whole(self.on_hand[listed]),
                "on_order": text.whole(self._on_order[listed]),
            },
        )
