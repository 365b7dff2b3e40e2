"""Carts that are left, the message that some of their owners get, and those who come back.

An abandoned cart x is bought within a week with chance return_rate * odds(x) * (a factor by whether it had
reached the checkout, mean 1): those who nearly bought are the likelier to return. So the units bought on return
are return_rate times the units bought at once, whatever the SKU. The message multiplies the chance by
1 + effect of the customer's segment.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from pipelines.simulate import calendar, demand, visits
from pipelines.simulate.conversion import Chances
from pipelines.simulate.demand import Baskets
from pipelines.simulate.streams import Bools, Floats, Ints, Purpose
from pipelines.simulate.visits import Kind, Visits
from pipelines.simulate.world import Day, World

DAYTIME = (10 * 3_600, 22 * 3_600)  # seconds between which people come back
GROUPS = ("holdout", "treatment")


@dataclass(frozen=True)
class Left:
    """A day's abandoned carts. `group` is 0 for holdout, 1 for treatment, -1 outside the experiment.

    `chance` is the one to come back without a message, `effect` what the message adds to it, `shelf` the chance
    that something of the cart is then in stock; `back_on` the day of the return, -1 without one.
    """

    visits: Visits
    carts: Baskets
    chances: Chances
    is_checked_out: Bools
    segment: Ints
    group: Ints
    chance: Floats
    effect: Floats
    shelf: Floats
    back_on: Ints

    @property
    def is_known(self) -> Bools:
        """The shop knows whose cart it is: by a log-in, at the latest at the checkout."""
        return np.asarray(self.visits.is_member & (self.visits.is_logged_in | self.is_checked_out))

    @property
    def true_chance(self) -> Floats:
        return np.asarray(self.chance + self.effect * (self.group == 1))

    @property
    def expected_units(self) -> float:
        """Units that are expected to be bought on return, all SKUs together."""
        return float((self.true_chance[self.carts.basket] * self.carts.units).sum())


@dataclass(frozen=True)
class Returning:
    """Who comes back on a day, to which cart of which day, and what is in it."""

    visits: Visits
    carts: Baskets
    left_on: Ints
    cart: Ints


class Carts:
    """Carts that wait for their owners, and what demand is expected of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: dict[int, list[Returning]] = defaultdict(list)
        # One slot for the day itself, one because a return on a closed day is made the day after.
        self._slots = len(world.parameters.carts.return_days) + 2
        self._units = np.zeros((self._slots, world.catalog.size))

    def expected(self, day: int, ahead: int) -> Floats:
        """Units per SKU that carts left until the evening of `day` are expected to bring so many days later."""
        if ahead >= self._slots:
            return np.zeros(self._world.catalog.size)
        return np.array(self._units[(day + ahead) % self._slots])

    def _return_days(self, day: int) -> list[int]:
        """The days on which those may come back who left a cart on `day`."""
        after = range(day + 1, day + 1 + len(self._world.parameters.carts.return_days))
        return [due if calendar.is_open(self._world.clock.date(due)) else due + 1 for due in after]

    def leave(self, day: Day, who: Visits, carts: Baskets, chances: Chances) -> Left:
        """Decide what becomes of the carts left on the day."""
        own, rng = self._world.parameters.carts, self._world.stream(Purpose.CARTS, day.number)
        checkout_share, size = self._world.parameters.visits.checkout_share, who.size
        is_checked_out = rng.random(size) < checkout_share
        other_factor = (1 - checkout_share * own.checkout_factor) / (1 - checkout_share)
        chance = own.return_rate * chances.odds * np.where(is_checked_out, own.checkout_factor, other_factor)
        segment = self._segments(who.customer)
        can_get_mail = who.is_member & (who.is_logged_in | is_checked_out) & self._consents(who.customer)
        is_treated = rng.random(size) < own.treatment_share
        group = np.where(can_get_mail, is_treated.astype(np.int64), -1)
        effect = chance * np.array([part[2] for part in own.segments])[segment]
        comes = rng.random(size) < chance + effect * (group == 1)
        after = rng.choice(len(own.return_days), size, p=np.array(own.return_days) / sum(own.return_days))
        back_on = np.where(comes, np.array(self._return_days(day.number))[after], -1)
        left = Left(
            who, carts, chances, is_checked_out, segment, group, chance, effect, self._shelf(day.number, carts), back_on
        )
        self._expect(day.number, left)
        self._wait(day.number, left)
        return left

    def _shelf(self, day: int, carts: Baskets) -> Floats:
        own = np.array(self._world.parameters.carts.return_days)
        chances = self._world.stock.chances_on_shelf(day, len(own), carts.sku)
        sold_out = np.multiply.reduceat(1 - chances, carts.first, axis=1) if carts.size else chances
        return np.asarray(((1 - sold_out) * (own / own.sum())[:, None]).sum(axis=0))

    def _segments(self, customer: Ints) -> Ints:
        orders = self._world.customers.traits.orders[np.maximum(customer, 0)]
        least = [part[1] for part in self._world.parameters.carts.segments]
        return np.searchsorted(least, orders, side="right") - 1

    def _consents(self, customer: Ints) -> Bools:
        return np.asarray(self._world.customers.traits.consent[np.maximum(customer, 0)] & (customer >= 0))

    def _expect(self, day: int, left: Left) -> None:
        skus, carts = self._world.catalog.size, left.carts
        units = np.bincount(carts.sku, weights=left.true_chance[carts.basket] * carts.units, minlength=skus)
        self._units[day % self._slots] = 0
        own = self._world.parameters.carts.return_days
        for due, share in zip(self._return_days(day), own, strict=True):
            self._units[due % self._slots] += units * share / sum(own)

    def _wait(self, day: int, left: Left) -> None:
        for due in np.unique(left.back_on[left.back_on > 0]).tolist():
            index = np.flatnonzero(left.back_on == due)
            came = Returning(left.visits.chosen(index), left.carts.chosen(index), np.full(len(index), day), index)
            self._waiting[due].append(came)

    def back(self, day: int) -> Returning:
        """Who comes back on the day: on the same device, or known and on another."""
        own, world = self._world.parameters.carts, self._world
        parts = self._waiting.pop(day, [])
        nobody = visits.strangers(world, day, Kind.RETURNER, np.empty(0, np.int64))
        who = visits.together(nobody, *(part.visits for part in parts))
        rng, size = world.stream(Purpose.RETURNING, day), who.size
        devices = len(world.parameters.visits.devices)
        moves = who.is_member & (rng.random(size) < own.other_device_share)
        device = np.where(moves, (who.device + rng.integers(1, devices, size)) % devices, who.device)
        cookie = world.customers.cookie(np.maximum(who.customer, 0), device, day)
        again = Visits(
            np.full(size, Kind.RETURNER),
            who.customer,
            who.is_guest,
            who.is_member & (moves | who.is_logged_in),
            device,
            rng.choice(len(world.parameters.visits.sources), size),
            rng.integers(*DAYTIME, size),
            np.where(who.customer >= 0, cookie, who.visitor),
        )
        left_on, cart = (
            np.concatenate([np.empty(0, np.int64), *(getattr(part, name) for part in parts)])
            for name in ("left_on", "cart")
        )
        carts = demand.together(demand.NO_BASKETS, *(part.carts for part in parts))
        still_sold = carts.kept(carts.units * world.catalog.is_sold(day)[carts.sku])
        return Returning(again, still_sold, left_on, cart)
