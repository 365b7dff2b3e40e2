"""What people want on a day: wishes for SKUs, gathered in baskets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from pipelines.simulate import calendar
from pipelines.simulate.parameters import DemandParameters
from pipelines.simulate.streams import Floats, Ints, Purpose
from pipelines.simulate.world import World


@dataclass(frozen=True)
class Wishes:
    """One entry per basket and SKU, ordered by both: the units wanted. `baskets` counts the baskets."""

    basket: Ints
    sku: Ints
    wanted: Ints
    baskets: int


def mean_quantity(parameters: DemandParameters) -> float:
    return float(np.dot(_quantities(parameters), parameters.quantity_shares))


def _quantities(parameters: DemandParameters) -> Ints:
    return np.arange(1, len(parameters.quantity_shares) + 1)


def interest(world: World, number: int, on: date, discount_percent: Ints) -> Floats:
    """Expected wishes per SKU were the shop open: base x pace x season x price x promotion x launch ramp."""
    own, catalog = world.parameters.demand, world.catalog
    age = number - catalog.launch_day
    ramp = np.where(age >= 0, 1 - np.exp(-(np.maximum(age, 0) + 1) / own.launch_ramp_days), 0.0)
    season = np.array(calendar.seasons(own, on))[catalog.department]
    promotion = np.exp(catalog.promotion_lift * discount_percent / 100)
    common = calendar.pace(own, on, number)
    return np.asarray(catalog.base_rate * common * season * catalog.price_effect() * promotion * ramp)


def wishes(world: World, number: int, mean: Floats) -> Wishes:
    """Draw the day's wishes around `mean` per SKU and deal them out into baskets.

    The negative binomial is drawn as Poisson(Gamma), so that a mean of 0 gives no wish.
    """
    own, skus = world.parameters.demand, len(mean)
    rng = world.stream(Purpose.DEMAND, number)
    counts = rng.poisson(rng.gamma(own.dispersion, 1.0, skus) * mean / own.dispersion)
    sku = np.repeat(np.arange(skus), counts)
    quantity = rng.choice(_quantities(own), len(sku), p=own.quantity_shares)
    rng = world.stream(Purpose.BASKETS, number)
    order = rng.permutation(len(sku))
    sizes = rng.geometric(1 / world.parameters.orders.wishes_per_basket, len(sku))
    basket = np.searchsorted(np.cumsum(sizes), np.arange(len(sku)), side="right")
    keys, where = np.unique(basket * skus + sku[order], return_inverse=True)
    wanted = np.bincount(where, weights=quantity[order], minlength=len(keys)).astype(np.int64)
    in_basket, of_sku = np.divmod(keys, skus)
    return Wishes(in_basket, of_sku, wanted, int(in_basket[-1]) + 1 if len(keys) else 0)
