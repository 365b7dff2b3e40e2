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
from pipelines.simulate.streams import Bools, Floats, Ints, Purpose, days_between, stream
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

    `end_day` is the first day on which a SKU is no longer sold, `sibling` the next size of the same style, -1
    without one. `price_pence` and `cost_pence` are those in force; `advance` moves them to the next day.
    """

    def __init__(self, seed: int, scale: float, parameters: Parameters, clock: Clock) -> None:
        self._seed = seed
        self._parameters = parameters
        own = parameters.catalog
        rng = stream(seed, Purpose.CATALOG)
        self.size = max(1, round(own.skus * scale))
        styles = math.ceil(self.size / own.skus_per_style)
        self.style = np.arange(self.size) // own.skus_per_style
        leaf_of_style = rng.integers(len(LEAVES), size=styles)
        self._leaf = leaf_of_style[self.style]
        self.department = np.array([leaf[0] for leaf in LEAVES])[self._leaf]
        launch = self._launch_days(rng, styles)
        life = own.least_life_days + rng.exponential(own.life_mean_days, styles).astype(np.int64)
        self.launch_day, self.end_day = launch[self.style], (np.maximum(launch, 0) + life)[self.style]
        self.is_worn = np.array([len(department.sizes) > 1 for department in DEPARTMENTS])[self.department]
        self.sibling = self._siblings()
        self._draw_prices(rng, styles)
        self._draw_supply(rng)
        self._draw_traits(stream(seed, Purpose.TRAITS), styles)
        self.sku = text.numbered("SKU-", np.arange(1, self.size + 1), 5)
        self._fixed = self._fixed_columns(rng, styles, clock)

    def _launch_days(self, rng: np.random.Generator, styles: int) -> Ints:
        own = self._parameters.catalog
        is_new = rng.random(styles) < own.launch_share
        return np.where(is_new, rng.integers(1, own.launch_days, styles), -rng.integers(1, own.past_days + 1, styles))

    def _siblings(self) -> Ints:
        first = np.searchsorted(self.style, self.style, side="left")
        sizes = np.searchsorted(self.style, self.style, side="right") - first
        following = first + (np.arange(self.size) - first + 1) % sizes
        return np.where(self.is_worn & (sizes > 1), following, -1)

    def _draw_prices(self, rng: np.random.Generator, styles: int) -> None:
        own = self._parameters.catalog
        around = np.array([department.price_pence for department in DEPARTMENTS])[self.department]
        spread = np.exp(own.price_sigma * rng.standard_normal(styles))[self.style]
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
        self.fit_risk = np.where(self.is_worn, rng.beta(*returns.fit, styles)[self.style], 0.0)
        self.quality_risk = rng.beta(*returns.quality, self.size)

    def _fixed_columns(self, rng: np.random.Generator, styles: int, clock: Clock) -> dict[str, pa.Array]:
        brand = text.chosen(BRANDS, rng.integers(len(BRANDS), size=styles)[self.style])
        self._attributes = self._attribute_texts(rng.integers(len(MATERIALS), size=styles)[self.style], clock)
        color = text.chosen(COLORS, (self.style + np.arange(self.size)) % len(COLORS))
        all_sizes: list[str | None] = [size for department in DEPARTMENTS for size in department.sizes]
        starts = np.cumsum([0, *(len(department.sizes) for department in DEPARTMENTS)])
        own_sizes = np.diff(starts)[self.department]
        size = text.chosen(all_sizes, starts[self.department] + np.arange(self.size) % own_sizes)
        noun = text.chosen([leaf[2] for leaf in LEAVES], self._leaf)
        return {
            "sku": self.sku,
            "title": text.joined(brand, " ", noun, ", ", color),
            "style_id": text.numbered("STYLE-", self.style + 1, 4),
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
            "image_url": text.joined("https://shop.example.com/img/", self.sku, ".jpg"),
        }

    def _attribute_texts(self, material: Ints, clock: Clock) -> tuple[pa.Array, pa.Array]:
        """As delivered before and after the style's end is announced."""
        before = text.chosen([json.dumps({"material": name}) for name in MATERIALS], material)
        opened = text.chosen([json.dumps({"material": name})[:-1] for name in MATERIALS], material)
        last = text.words(clock.dates(self.end_day - 1).astype(str).tolist())
        return before, text.joined(opened, ', "last_sold_on": "', last, '"}')

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

    def is_sold(self, day: int | Ints) -> Bools:
        return np.asarray((self.launch_day <= day) & (day < self.end_day))

    def is_phased_out(self, day: int) -> Bools:
        """Whether the end of the SKU is announced by that day."""
        return np.asarray(day >= self.end_day - self._parameters.catalog.phase_out_days)

    def life(self, day: int) -> Floats:
        """The launch ramp and the fading before the end, 0 when not sold."""
        own, ramp = self._parameters.catalog, self._parameters.demand.launch_ramp_days
        age, left = day - self.launch_day, self.end_day - 1 - day
        risen = 1 - np.exp(-(np.maximum(age, 0) + 1) / ramp)
        remaining = own.faded_share + (1 - own.faded_share) * np.clip(left / own.phase_out_days, 0.0, 1.0)
        return np.asarray(risen * remaining * self.is_sold(day))

    @property
    def log_price(self) -> Floats:
        """Of the list price against the usual one."""
        return np.asarray(np.log(self.price_pence / self.reference_pence))

    def rows(self, day: int) -> pa.Table:
        """The day's snapshot: every SKU launched by then, also those no longer sold."""
        listed = self.listed(day)
        columns = {name: text.picked(values, listed) for name, values in self._fixed.items()}
        attributes = text.either(self.is_phased_out(day), *reversed(self._attributes))
        columns["attributes"] = text.picked(attributes, listed)
        columns["is_active"] = text.truths(self.is_sold(day)[listed])
        columns["list_price"] = text.decimal(self.price_pence[listed], 2)
        columns["unit_cost"] = text.decimal(self.cost_pence[listed], 2)
        return text.rows("products", columns)

    def truth(self, clock: Clock) -> dict[str, Any]:
        return {
            "sku": self.sku,
            "style_id": self._fixed["style_id"],
            "department": text.chosen([department.name for department in DEPARTMENTS], self.department),
            "category": self._fixed["category"],
            "launched_on": clock.dates(self.launch_day),
            "last_sold_on": clock.dates(self.end_day - 1),
            "true_base_rate": self.base_rate,
            "true_elasticity": self.elasticity,
            "true_promotion_lift": self.promotion_lift,
            "true_fit_risk": self.fit_risk,
            "true_quality_risk": self.quality_risk,
        }


def _shop_price(pence: Floats) -> Ints:
    """Prices as shops set them: they end in 49 or 99."""
    return np.maximum(199, np.rint(pence / 50).astype(np.int64) * 50 - 1)
