"""Campaigns: a discount on some SKUs for some days, announced ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.calendar import MONDAY
from pipelines.simulate.catalog import Catalog
from pipelines.simulate.clock import Clock
from pipelines.simulate.parameters import DemandParameters, Parameters
from pipelines.simulate.streams import Floats, Ints, Purpose, days_between, stream


@dataclass(frozen=True)
class Campaign:
    announced: int
    starts: int
    ends: int
    percent: int
    skus: Ints


def dip(parameters: DemandParameters, discount: Floats, days_since: Ints) -> Floats:
    """The share of demand missing so many days after the last day of a promotion."""
    return np.asarray(parameters.promotion_dip * discount * np.exp(-(days_since - 1) / parameters.dip_days))


class Promotions:
    """The campaigns that are announced and not yet over."""

    def __init__(self, seed: int, parameters: Parameters, catalog: Catalog, clock: Clock) -> None:
        self._seed = seed
        self._parameters = parameters.promotions
        self._demand = parameters.demand
        self._catalog = catalog
        self._clock = clock
        self._campaigns: list[Campaign] = []
        self._last_percent = np.zeros(catalog.size, dtype=np.int64)
        self._last_day = np.zeros(catalog.size, dtype=np.int64)

    def advance(self, day: int) -> None:
        before = self.discount_percent(day - 1)
        self._last_percent = np.where(before > 0, before, self._last_percent)
        self._last_day = np.where(before > 0, day - 1, self._last_day)
        self._campaigns = [campaign for campaign in self._campaigns if campaign.ends >= day]
        if self._clock.date(day).weekday() == MONDAY:
            self._announce(day)

    def _announce(self, day: int) -> None:
        own, rng = self._parameters, stream(self._seed, Purpose.PROMOTIONS, day)
        starts = day + int(days_between(rng, own.announced_days, 1)[0])
        ends = starts + int(days_between(rng, own.length_days, 1)[0]) - 1
        percent = int(rng.choice(own.discounts_percent))
        is_chosen = rng.random(self._catalog.size) < own.sku_share
        skus = np.flatnonzero(is_chosen & self._catalog.is_sold(day) & ~self._catalog.is_phased_out(day))
        self._campaigns.append(Campaign(day, starts, ends, percent, skus))

    def discount_percent(self, day: int) -> Ints:
        """The best running discount of every SKU, 0 without one."""
        percent = np.zeros(self._catalog.size, dtype=np.int64)
        for campaign in self._campaigns:
            if campaign.starts <= day <= campaign.ends:
                percent[campaign.skus] = np.maximum(percent[campaign.skus], campaign.percent)
        return percent

    def ahead(self, day: int, days: int) -> list[tuple[Ints, Floats]]:
        """What is announced by the evening of `day`: discount and dip factor of each of the days to come."""
        percent, last = self._last_percent, self._last_day
        coming = []
        for number in range(day, day + days + 1):
            running = self.discount_percent(number)
            coming.append((running, self._dip(number, running, percent, last)))
            percent, last = np.where(running > 0, running, percent), np.where(running > 0, number, last)
        return coming[1:]

    def dip(self, day: int) -> Floats:
        """The factor on demand in the days after a promotion."""
        return self._dip(day, self.discount_percent(day), self._last_percent, self._last_day)

    def _dip(self, day: int, running: Ints, percent: Ints, last: Ints) -> Floats:
        return np.where(running > 0, 1.0, 1 - dip(self._demand, percent / 100, day - last))

    def rows(self) -> pa.Table:
        """The day's snapshot: a row per campaign and SKU, in the order of announcement."""
        sizes = [len(campaign.skus) for campaign in self._campaigns]
        each = np.repeat(np.arange(len(sizes)), sizes)
        skus = np.concatenate([np.empty(0, np.int64), *(campaign.skus for campaign in self._campaigns)])

        def of_campaign(values: list[str]) -> pa.Array:
            return text.chosen(values, each)

        def on(days: list[int]) -> pa.Array:
            return of_campaign([self._clock.date(day).isoformat() for day in days])

        return text.rows(
            "promotions",
            {
                "promotion_id": of_campaign([f"PROMO-{c.announced:05d}" for c in self._campaigns]),
                "sku": text.picked(self._catalog.sku, skus),
                "kind": text.constant("percentage_off", len(skus)),
                "starts_on": on([c.starts for c in self._campaigns]),
                "ends_on": on([c.ends for c in self._campaigns]),
                "discount_pct": of_campaign([f"{c.percent / 100:.2f}" for c in self._campaigns]),
                "announced_on": on([c.announced for c in self._campaigns]),
                "is_cancelled": text.constant("false", len(skus)),
            },
        )
