"""The SKUs: what they are, what they cost from day to day, and how customers react to them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.clock import Clock
from pipelines.simulate.parameters import Parameters
from pipelines.simulate.streams import Floats, Ints, Purpose, days_between, stream
from pipelines.simulate.vocabulary import BRANDS, COLORS, DEPARTMENTS, MATERIALS

# department, path, noun of every leaf of the category tree
LEAVES = [
    (number, f"{department.name} > {branch} > {noun}", noun)
    for number, department in enumerate(DEPARTMENTS)
    for branch, nouns in department.ranges
    for noun in nouns
]


class Catalog:
    """All SKUs the store will ever sell, as arrays in SKU order; `launch_day` may be negative or far ahead.

    `price_pence` and `cost_pence` are those in force; `advance` moves them to the next day.
    """

    def __init__(self, seed: int, scale: float, parameters: Parameters, clock: Clock) -> None:
        self._seed = seed
        self._parameters = parameters
        own = parameters.catalog
        rng = stream(seed, Purpose.CATALOG)
        self.size = max(1, round(own.skus * scale))
        styles = math.ceil(self.size / own.skus_per_style)
        self._style = np.arange(self.size) // own.skus_per_style
        leaf_of_style = rng.integers(len(LEAVES), size=styles)
        self._leaf = leaf_of_style[self._style]
        self.department = np.array([leaf[0] for leaf in LEAVES])[self._leaf]
        self.launch_day = self._launch_days(rng, styles)[self._style]
        self._draw_prices(rng, styles)
        self._draw_supply(rng)
        self._draw_traits(stream(seed, Purpose.TRAITS), styles)
        self.sku = text.numbered("SKU-", np.arange(1, self.size + 1), 5)
        self._fixed = self._fixed_columns(rng, styles, clock)

    def _launch_days(self, rng: np.random.Generator, styles: int) -> Ints:
        own = self._parameters.catalog
        is_new = rng.random(styles) < own.launch_share
        return np.where(is_new, rng.integers(1, own.launch_days, styles), -rng.integers(1, own.past_days + 1, styles))

    def _draw_prices(self, rng: np.random.Generator, styles: int) -> None:
        own = self._parameters.catalog
        around = np.array([department.price_pence for department in DEPARTMENTS])[self.department]
        spread = np.exp(own.price_sigma * rng.standard_normal(styles))[self._style]
        self.reference_pence = _shop_price(around * spread)
        self.price_pence = self.reference_pence.copy()
        self._reference_cost = self.reference_pence * own.cost_share
        self.cost_pence = np.rint(self._reference_cost).astype(np.int64)

    def _draw_supply(self, rng: np.random.Generator) -> None:
        own = self._parameters.catalog
        lead_time = days_between(rng, own.lead_time_days, own.suppliers)
        self._supplier = rng.integers(own.suppliers, size=self.size)
        self.lead_time_days = lead_time[self._supplier]
        self.pack_size = rng.choice(np.array([1, 2, 6]), self.size, p=[0.6, 0.3, 0.1])
        weight = np.array([department.weight_grams for department in DEPARTMENTS])[self.department]
        self.weight_grams = np.rint(weight * rng.uniform(0.6, 1.6, self.size)).astype(np.int64)

    def _draw_traits(self, rng: np.random.Generator, styles: int) -> None:
        demand, returns = self._parameters.demand, self._parameters.returns
        sigma = demand.base_sigma
        self.base_rate = demand.base_mean * np.exp(sigma * rng.standard_normal(self.size) - sigma**2 / 2)
        self.elasticity = np.clip(rng.normal(*demand.elasticity, self.size), 0.2, 3.0)
        self.promotion_lift = np.clip(rng.normal(*demand.promotion_lift, self.size), 0.5, None)
        is_worn = np.array([len(department.sizes) > 1 for department in DEPARTMENTS])[self.department]
        self.fit_risk = np.where(is_worn, rng.beta(*returns.fit, styles)[self._style], 0.0)
        self.quality_risk = rng.beta(*returns.quality, self.size)

    def _fixed_columns(self, rng: np.random.Generator, styles: int, clock: Clock) -> dict[str, pa.Array]:
        brand = text.chosen(BRANDS, rng.integers(len(BRANDS), size=styles)[self._style])
        material = rng.integers(len(MATERIALS), size=styles)[self._style]
        color = text.chosen(COLORS, (self._style + np.arange(self.size)) % len(COLORS))
        all_sizes: list[str | None] = [size for department in DEPARTMENTS for size in department.sizes]
        starts = np.cumsum([0, *(len(department.sizes) for department in DEPARTMENTS)])
        own_sizes = np.diff(starts)[self.department]
        size = text.chosen(all_sizes, starts[self.department] + np.arange(self.size) % own_sizes)
        noun = text.chosen([leaf[2] for leaf in LEAVES], self._leaf)
        return {
            "sku": self.sku,
            "title": text.joined(brand, " ", noun, ", ", color),
            "style_id": text.numbered("STYLE-", self._style + 1, 4),
            "size": size,
            "color": color,
            "category": text.chosen([leaf[1] for leaf in LEAVES], self._leaf),
            "brand": brand,
            "supplier": text.numbered("Supplier ", self._supplier + 1, 2),
            "lead_time_days": text.whole(self.lead_time_days),
            "pack_size": text.whole(self.pack_size),
            "min_order_quantity": text.whole(self.pack_size),
            "unit_of_measure": text.constant("each", self.size),
            "launched_on": text.words(clock.dates(self.launch_day).astype(str).tolist()),
            "is_active": text.constant("true", self.size),
            "attributes": text.chosen([json.dumps({"material": name}) for name in MATERIALS], material),
            "image_url": text.joined("https://shop.example.com/img/", self.sku, ".jpg"),
        }

    def advance(self, day: int) -> None:
        """Put the day's list price and cost changes in force; the first day starts at the reference."""
        if day == 0:
            return
        own, rng = self._parameters.catalog, stream(self._seed, Purpose.PRICES, day)
        draws, moves = rng.random((2, self.size)), rng.standard_normal((2, self.size))
        prices = _shop_price(self.reference_pence * np.exp(own.price_change_sigma * moves[0]))
        costs = np.rint(self._reference_cost * np.exp(own.cost_change_sigma * moves[1])).astype(np.int64)
        self.price_pence = np.where(draws[0] < own.price_change_daily, prices, self.price_pence)
        self.cost_pence = np.where(draws[1] < own.cost_change_daily, costs, self.cost_pence)

    def listed(self, day: int) -> Ints:
        """The SKUs launched by that day."""
        return np.flatnonzero(self.launch_day <= day)

    def shown_pence(self, discount_percent: Ints) -> Ints:
        """The list price less the running promotion."""
        return self.price_pence - np.rint(self.price_pence * discount_percent / 100).astype(np.int64)

    def price_effect(self) -> Floats:
        return np.asarray((self.price_pence / self.reference_pence) ** -self.elasticity)

    def rows(self, day: int) -> pa.Table:
        """The day's snapshot: every SKU launched by then."""
        listed = self.listed(day)
        columns = {name: text.picked(values, listed) for name, values in self._fixed.items()}
        columns["list_price"] = text.decimal(self.price_pence[listed], 2)
        columns["unit_cost"] = text.decimal(self.cost_pence[listed], 2)
        return text.rows("products", columns)

    def truth(self) -> dict[str, Any]:
        return {
            "sku": self.sku,
            "true_base_rate": self.base_rate,
            "true_elasticity": self.elasticity,
            "true_promotion_lift": self.promotion_lift,
            "true_fit_risk": self.fit_risk,
            "true_quality_risk": self.quality_risk,
        }


def _shop_price(pence: Floats) -> Ints:
    """Prices as shops set them: they end in 49 or 99."""
    return np.maximum(199, np.rint(pence / 50).astype(np.int64) * 50 - 1)
