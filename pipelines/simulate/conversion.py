"""How likely a cart is to be bought.

Buyers' carts are a marked Poisson process of intensity f(x) over carts x, the one that demand is planned by.
Carts of all kinds come with intensity f(x) / p(x), p being the chance of this module, so that a cart x is
bought with chance p(x) and demand stays what it is. The carts that are left, f(x) (1 - p(x)) / p(x), are
drawn by thinning (Lewis & Shedler, 1979) from carts that come `copies` times as often as buyers'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.simulate.demand import Baskets
from pipelines.simulate.parameters import CartParameters
from pipelines.simulate.streams import Floats, Ints, Purpose
from pipelines.simulate.visits import EVENING, NIGHT, Visits
from pipelines.simulate.world import Day, World

MONTE_CARLO_BASKETS = 4_000
MOST_PRICE_EFFECT = 0.4
MOST_PAST_ORDERS = 9


@dataclass(frozen=True)
class Chances:
    """Per cart: bought in its visit, given the whole cart, and given its first item alone."""

    whole: Floats
    first: Floats

    @property
    def odds(self) -> Floats:
        return np.asarray(self.whole / (1 - self.whole))


def copies(parameters: CartParameters) -> float:
    """How many times as often as buyers' the carts come from which leavers are thinned: the largest odds to leave."""
    least = parameters.bounds[0]
    return (1 - least) / least


class Conversion:
    """Holds, by department of the first item, what the rest of a basket is worth: for the chance at the first item.

    What follows the first item is not known when it is put in the cart, so the chance then is a mean over it:
    carts that begin alike are bought with 1 / E[1 / p], the mean over buyers' carts. It is taken over a sample of
    baskets (Monte Carlo, drawn once per store) at the SKUs' own rates and usual prices.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        rng = world.stream(Purpose.MONTE_CARLO, 0)
        self._rest = [self._rest_of_baskets(rng, number) for number in range(int(world.catalog.department.max()) + 1)]

    def _rest_of_baskets(self, rng: np.random.Generator, department: int) -> Floats:
        """Sorted values in pence of what comes after a first item of the department."""
        catalog, own = self._world.catalog, self._world.parameters
        weight = catalog.base_rate * catalog.is_sold(0)
        further = rng.geometric(1 / own.orders.wishes_per_basket, MONTE_CARLO_BASKETS) - 1
        basket = np.repeat(np.arange(MONTE_CARLO_BASKETS), further)
        stays = (rng.random(MONTE_CARLO_BASKETS) < own.orders.same_department_share)[basket]
        sku = np.empty(len(basket), dtype=np.int64)
        for is_same in (True, False):
            here = stays == is_same
            reach = np.cumsum(np.where(~is_same | (catalog.department == department), weight, 0.0))
            sku[here] = np.searchsorted(reach, rng.random(int(here.sum())) * reach[-1], side="right")
        sku = np.minimum(sku, catalog.size - 1)
        quantity = rng.choice(np.arange(1, len(own.demand.quantity_shares) + 1), len(sku), p=own.demand.quantity_shares)
        value = np.bincount(basket, weights=catalog.reference_pence[sku] * quantity, minlength=MONTE_CARLO_BASKETS)
        return np.sort(value)

    def chances(self, day: Day, visits: Visits, carts: Baskets) -> Chances:
        """For carts with at least one item each; money is in pence."""
        own, orders = self._world.parameters.carts, self._world.parameters.orders
        lead = carts.sku[carts.first]
        worth = day.shown_pence[carts.sku] * carts.units
        value = np.bincount(carts.basket, weights=worth, minlength=carts.size)
        base = self._log_odds(day, visits, lead)
        with_it, without = (_bounded(own, base + extra) for extra in (own.free_shipping, 0.0))
        whole = np.where(value >= orders.free_shipping_pence, with_it, without)
        reaches = self._reaches(lead, worth[carts.first], day.shown_pence[lead])
        return Chances(whole, 1 / (reaches / with_it + (1 - reaches) / without))

    def _reaches(self, lead: Ints, worth: Ints, price: Ints) -> Floats:
        """The chance that the whole cart is shipped free, given its first item; a second size costs the same."""
        catalog, own = self._world.catalog, self._world.parameters
        missing = own.orders.free_shipping_pence - worth
        second = own.demand.two_sizes_share * (catalog.sibling[lead] >= 0)
        department = catalog.department[lead]
        alone, with_second = self._rest_reaches(department, missing), self._rest_reaches(department, missing - price)
        return np.where(missing <= 0, 1.0, (1 - second) * alone + second * with_second)

    def _rest_reaches(self, department: Ints, missing: Ints) -> Floats:
        share = np.empty(len(missing))
        for number, rest in enumerate(self._rest):
            here = department == number
            share[here] = 1 - np.searchsorted(rest, missing[here], side="left") / len(rest)
        return share

    def _log_odds(self, day: Day, visits: Visits, lead: Ints) -> Floats:
        own, catalog = self._world.parameters.carts, self._world.catalog
        hour, past = visits.hour, self._world.customers.traits.orders[np.maximum(visits.customer, 0)]
        log_price = np.log(day.shown_pence[lead] / catalog.reference_pence[lead])
        closed = self._world.stock.last_close[lead]
        return np.asarray(
            own.intercept
            + np.array(own.device)[visits.device]
            + np.array(own.source)[visits.source]
            + own.evening * np.isin(hour, EVENING)
            + own.night * np.isin(hour, NIGHT)
            + visits.is_logged_in * (own.logged_in + own.past_orders * np.log1p(np.minimum(past, MOST_PAST_ORDERS)))
            + own.price * np.clip(log_price, -MOST_PRICE_EFFECT, MOST_PRICE_EFFECT)
            + own.low_stock * ((closed > 0) & (closed <= own.low_stock_units))
        )


def _bounded(parameters: CartParameters, log_odds: Floats) -> Floats:
    return np.clip(1 / (1 + np.exp(-log_odds)), *parameters.bounds)
