"""Campaigns: a discount on some SKUs for some days, announced ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.calendar import MONDAY
from pipelines.simulate.catalog import Catalog
from pipelines.simulate.clock import Clock
from pipelines.simulate.parameters import PromotionParameters
from pipelines.simulate.streams import Ints, Purpose, days_between, stream


@dataclass(frozen=True)
class Campaign:
    announced: int
    starts: int
    ends: int
    percent: int
    skus: Ints


class Promotions:
    """The campaigns that are announced and not yet over."""

    def __init__(self, seed: int, parameters: PromotionParameters, catalog: Catalog, clock: Clock) -> None:
        self._seed = seed
        self._parameters = parameters
        self._catalog = catalog
        self._clock = clock
        self._campaigns: list[Campaign] = []

    def advance(self, day: int) -> None:
        self._campaigns = [campaign for campaign in self._campaigns if campaign.ends >= day]
        if self._clock.date(day).weekday() == MONDAY:
            self._announce(day)

    def _announce(self, day: int) -> None:
        own, rng = self._parameters, stream(self._seed, Purpose.PROMOTIONS, day)
        starts = day + int(days_between(rng, own.announced_days, 1)[0])
        ends = starts + int(days_between(rng, own.length_days, 1)[0]) - 1
        percent = int(rng.choice(own.discounts_percent))
        is_listed = self._catalog.launch_day <= day
        skus = np.flatnonzero((rng.random(self._catalog.size) < own.sku_share) & is_listed)
        self._campaigns.append(Campaign(day, starts, ends, percent, skus))

    def discount_percent(self, day: int) -> Ints:
        """The best running discount of every SKU, 0 without one."""
        percent = np.zeros(self._catalog.size, dtype=np.int64)
        for campaign in self._campaigns:
            if campaign.starts <= day:
                percent[campaign.skus] = np.maximum(percent[campaign.skus], campaign.percent)
        return percent

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
