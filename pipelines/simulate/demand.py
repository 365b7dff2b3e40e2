"""What people want on a day: wishes for SKUs, gathered in baskets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from pipelines.simulate import calendar
from pipelines.simulate.catalog import Catalog
from pipelines.simulate.parameters import DemandParameters
from pipelines.simulate.streams import Floats, Ints
from pipelines.simulate.world import World


@dataclass(frozen=True)
class Baskets:
    """One entry per basket and SKU, by basket and in the order in which they are wanted; `size` counts baskets."""

    basket: Ints
    sku: Ints
    units: Ints
    size: int

    @property
    def first(self) -> Ints:
        """The position of each basket's first entry."""
        return np.searchsorted(self.basket, np.arange(self.size), side="left")

    def chosen(self, index: Ints) -> Baskets:
        """Some of the baskets, in the order of `index`, numbered from 0."""
        start = self.first
        sizes = np.append(start[1:], len(self.basket))[index] - start[index]
        entry = np.repeat(start[index], sizes) + position(sizes)
        return Baskets(np.repeat(np.arange(len(index)), sizes), self.sku[entry], self.units[entry], len(index))

    def kept(self, units: Ints) -> Baskets:
        """The same baskets with other units; entries of none are left out, baskets may be empty."""
        stays = units > 0
        return Baskets(self.basket[stays], self.sku[stays], units[stays], self.size)


def position(sizes: Ints) -> Ints:
    """0, 1, ... within each of consecutive groups of these sizes."""
    return np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)


NO_BASKETS = Baskets(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), 0)


def together(*parts: Baskets) -> Baskets:
    before = np.cumsum([0, *(part.size for part in parts)])
    return Baskets(
        np.concatenate([part.basket + start for part, start in zip(parts, before, strict=False)]),
        np.concatenate([part.sku for part in parts]),
        np.concatenate([part.units for part in parts]),
        int(before[-1]),
    )


def mean_quantity(parameters: DemandParameters) -> float:
    return float((_quantities(parameters) * np.array(parameters.quantity_shares)).sum())


def mean_squared_quantity(parameters: DemandParameters) -> float:
    return float((_quantities(parameters) ** 2 * np.array(parameters.quantity_shares)).sum())


def _quantities(parameters: DemandParameters) -> Ints:
    return np.arange(1, len(parameters.quantity_shares) + 1)


def circumstances(world: World, number: int, on: date) -> Floats:
    """What is known of a day long before: pace, season, launch ramp and fading, whether the shop is open."""
    own, catalog = world.parameters.demand, world.catalog
    season = np.array(calendar.seasons(own, on))[catalog.department]
    return np.asarray(calendar.pace(own, on, number) * season * catalog.life(number) * calendar.is_open(on))


def wishes_mean(world: World, known: Floats, discount: Floats, shock: Floats) -> Floats:
    """Expected wishes per SKU; `known` are the circumstances and the dips, `shock` is per department."""
    catalog = world.catalog
    moved = np.exp(-catalog.elasticity * catalog.log_price + catalog.promotion_lift * discount)
    return np.asarray(catalog.base_rate * known * moved * shock[catalog.department])


def units(catalog: Catalog, parameters: DemandParameters, wishes: Floats) -> Floats:
    """Units expected of these wishes, the second sizes that go with them included."""
    return wishes * mean_quantity(parameters) + second_sizes(catalog, parameters, wishes)


def second_sizes(catalog: Catalog, parameters: DemandParameters, wishes: Floats) -> Floats:
    """Units of each SKU that come as the second size of its sibling, one a wish."""
    second = np.zeros_like(wishes)
    has = catalog.sibling >= 0
    second[catalog.sibling[has]] = parameters.two_sizes_share * wishes[has]
    return second


def rates(world: World, rng: np.random.Generator, mean: Floats) -> Floats:
    """The day's own rate of every SKU: gamma around its mean, so that counts are negative binomial."""
    k = world.parameters.demand.dispersion
    return np.asarray(rng.gamma(k, 1.0, len(mean)) * mean / k)


def baskets(world: World, rng: np.random.Generator, rate: Floats) -> Baskets:
    """Draw wishes as Poisson with these rates and deal them out; a SKU wished twice in a basket is one entry."""
    own, catalog = world.parameters.demand, world.catalog
    sku = np.repeat(np.arange(len(rate)), rng.poisson(rate))
    sku = sku[rng.permutation(len(sku))]
    departments = int(catalog.department.max()) + 1
    stays = rng.random(len(sku)) < world.parameters.orders.same_department_share
    sku = sku[np.argsort(np.where(stays, catalog.department[sku], departments), kind="stable")]
    sizes = rng.geometric(1 / world.parameters.orders.wishes_per_basket, len(sku))
    basket = np.searchsorted(np.cumsum(sizes), np.arange(len(sku)), side="right")
    units = rng.choice(_quantities(own), len(sku), p=own.quantity_shares)
    second = np.flatnonzero((rng.random(len(sku)) < own.two_sizes_share) & (catalog.sibling[sku] >= 0))
    order = np.argsort(np.concatenate([np.arange(len(sku)), second + 0.5]))
    return _merged(
        len(rate),
        np.concatenate([basket, basket[second]])[order],
        np.concatenate([sku, catalog.sibling[sku[second]]])[order],
        np.concatenate([units, np.ones(len(second), dtype=np.int64)])[order],
    )


def _merged(skus: int, basket: Ints, sku: Ints, units: Ints) -> Baskets:
    _, first, where = np.unique(basket * skus + sku, return_index=True, return_inverse=True)
    total = np.bincount(where, weights=units, minlength=len(first)).astype(np.int64)
    order = np.argsort(first)
    first = first[order]
    return Baskets(basket[first], sku[first], total[order], int(basket[-1]) + 1 if len(basket) else 0)
