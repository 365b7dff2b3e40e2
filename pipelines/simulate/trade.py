"""One day of trade: who comes, what they find on the shelf, who buys and who leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.simulate import calendar, demand, fraud, visits
from pipelines.simulate.carts import Carts, Left
from pipelines.simulate.conversion import Chances, Conversion, copies
from pipelines.simulate.demand import Baskets
from pipelines.simulate.streams import Bools, Floats, Ints, Purpose
from pipelines.simulate.visits import Kind, Visits
from pipelines.simulate.world import Day, World


@dataclass(frozen=True)
class Comers:
    """Who comes to buy, in order of time; `wanted` and `sold` have the same entries.

    `order` is the number of the order, 0 for whom the shelf had nothing. `left_on` and `cart` tell which
    abandoned cart is bought, -1 for none.
    """

    visits: Visits
    wanted: Baskets
    sold: Ints
    order: Ints
    left_on: Ints
    cart: Ints

    @property
    def carts(self) -> Baskets:
        return self.wanted.kept(self.sold)

    @property
    def is_fraud(self) -> Bools:
        """For each entry of what is wanted."""
        return np.asarray(self.visits.kind[self.wanted.basket] == Kind.FRAUD)


@dataclass(frozen=True)
class Trade:
    """A day's visits: those of `comers`, of the abandoned carts, then browsing ones and bots.

    `chances` are of the carts of the comers' visits in `bought`, buyers who found something on the shelf.
    """

    comers: Comers
    bought: Ints
    chances: Chances
    left: Left
    others: Visits

    def units_per_sku(self, units: Ints, skus: int) -> Ints:
        """Sums over the comers' entries."""
        return np.bincount(self.comers.wanted.sku, weights=units, minlength=skus).astype(np.int64)

    @property
    def visits(self) -> Visits:
        return visits.together(self.comers.visits, self.left.visits, self.others)


def trade(world: World, day: Day, carts: Carts, conversion: Conversion, next_order: int) -> Trade:
    """Let the day happen; takes what is sold off the shelf. Orders are numbered from `next_order` on."""
    rate = demand.rates(world, world.stream(Purpose.DEMAND, day.number), day.wishes)
    comers = _comers(world, day, carts, rate, next_order)
    buyers = np.flatnonzero((comers.visits.kind == Kind.BUYER) & (comers.order > 0))
    chances = conversion.chances(day, comers.visits.chosen(buyers), comers.carts.chosen(buyers))
    left = _leavers(world, day, carts, conversion, comers, rate * copies(world.parameters.carts))
    return Trade(comers, buyers, chances, left, _others(world, day))


def _comers(world: World, day: Day, carts: Carts, rate: Floats, next_order: int) -> Comers:
    wanted = demand.baskets(world, world.stream(Purpose.BASKETS, day.number), rate)
    departments = world.catalog.department[wanted.sku[wanted.first]]
    buyers = visits.shoppers(world, world.stream(Purpose.BUYERS, day.number), day.number, Kind.BUYER, departments)
    back = carts.back(day.number)
    testers, tested = fraud.attempts(world, day)
    who = visits.together(buyers, back.visits, testers)
    order = visits.in_order_of_time(who)
    everything = demand.together(wanted, back.carts, tested).chosen(order)
    sold = world.stock.fill(everything.sku, everything.units)
    sells = np.bincount(everything.basket, weights=sold, minlength=who.size) > 0
    nothing = np.full(who.size, -1)
    left_on, cart = nothing.copy(), nothing
    middle = slice(buyers.size, buyers.size + back.visits.size)
    left_on[middle], cart[middle] = back.left_on, back.cart
    number = np.where(sells, next_order + np.cumsum(sells) - 1, 0)
    return Comers(who.chosen(order), everything, sold, number, left_on[order], cart[order])


def _leavers(world: World, day: Day, carts: Carts, conversion: Conversion, comers: Comers, rate: Floats) -> Left:
    """Carts left in their visit: candidates that find something on the shelf, thinned by their chance."""
    rng = world.stream(Purpose.LEAVERS, day.number)
    wanted = demand.baskets(world, rng, rate)
    who = visits.shoppers(world, rng, day.number, Kind.LEAVER, world.catalog.department[wanted.sku[wanted.first]])
    sold_at = comers.visits.start[comers.wanted.basket]
    there = world.stock.left_at(comers.wanted.sku, sold_at, comers.sold, wanted.sku, who.start[wanted.basket])
    filled = wanted.kept(np.minimum(wanted.units, there))
    has = np.flatnonzero(np.bincount(filled.basket, minlength=wanted.size) > 0)
    who, filled = who.chosen(has), filled.chosen(has)
    chances = conversion.chances(day, who, filled)
    leaves = (1 - chances.whole) / chances.whole / copies(world.parameters.carts)
    index = np.flatnonzero(rng.random(who.size) < leaves)
    thinned = Chances(chances.whole[index], chances.first[index])
    return carts.leave(day, who.chosen(index), filled.chosen(index), thinned)


def _others(world: World, day: Day) -> Visits:
    own = world.parameters.visits
    rng = world.stream(Purpose.BROWSERS, day.number)
    pace = calendar.pace(world.parameters.demand, day.on, day.number)
    looking = visits.browsers(world, rng, day.number, int(rng.poisson(own.browsing * world.scale * pace)))
    bots = visits.bots(world, world.stream(Purpose.BOTS, day.number), day.number)
    return visits.together(looking, bots)
