"""Who comes to the shop on a day, from where, on what, and when."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum

import numpy as np

from pipelines.simulate.streams import OF_BOTS, OF_STRANGERS, Bools, Ints, mixed, shares
from pipelines.simulate.world import World

# Relative number of visits that begin in each hour of the day.
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 10, 11, 10, 9, 9, 9, 10, 11, 13, 14, 13, 9, 5)
EVENING, NIGHT = (19, 20, 21, 22), (0, 1, 2, 3, 4, 5, 6)
STRANGER = -1
BOT_IDS = 20


class Kind(IntEnum):
    """Why a visit takes place."""

    BUYER = 0
    RETURNER = 1
    FRAUD = 2
    LEAVER = 3
    BROWSER = 4
    BOT = 5


@dataclass(frozen=True)
class Visits:
    """One entry per visit. `customer` is the person behind it, -1 for a stranger, also where the shop cannot know.

    `is_guest`: buys without an account. `is_logged_in`: from the start. `start` in seconds of the day; `visitor`
    numbers the visitor id.
    """

    kind: Ints
    customer: Ints
    is_guest: Bools
    is_logged_in: Bools
    device: Ints
    source: Ints
    start: Ints
    visitor: Ints

    @property
    def size(self) -> int:
        return len(self.kind)

    @property
    def is_member(self) -> Bools:
        """Has an account and uses it when buying."""
        return np.asarray((self.customer >= 0) & ~self.is_guest)

    @property
    def hour(self) -> Ints:
        return self.start // 3_600

    def chosen(self, index: Ints | Bools) -> Visits:
        return Visits(*(getattr(self, field.name)[index] for field in fields(self)))


def together(*parts: Visits) -> Visits:
    return Visits(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Visits)))


def in_order_of_time(visits: Visits) -> Ints:
    return np.argsort(visits.start, kind="stable")


def starts(world: World, rng: np.random.Generator, size: int, day: int) -> Ints:
    hour = rng.choice(len(HOURS), size, p=np.array(HOURS) / sum(HOURS))
    return np.asarray(np.minimum(hour * 3_600 + rng.integers(3_600, size=size), world.clock.length(day) - 1))


def shoppers(world: World, rng: np.random.Generator, day: int, kind: Kind, department: Ints) -> Visits:
    """The visits of people who put something of these departments in a cart, whether they buy or leave."""
    own, size = world.parameters.visits, len(department)
    customer = world.customers.draw(rng, department)
    is_guest = rng.random(size) < world.parameters.orders.guest_share
    return _drawn(world, rng, day, kind, customer, is_guest, rng.random(size) < own.login_share)


def browsers(world: World, rng: np.random.Generator, day: int, size: int) -> Visits:
    """Visits that only look; many of them by people without an account."""
    own = world.parameters.visits
    departments = int(world.catalog.department.max()) + 1
    customer = world.customers.draw(rng, rng.integers(departments, size=size))
    customer = np.where(rng.random(size) < own.customer_share, customer, STRANGER)
    is_logged_in = rng.random(size) < own.login_share
    return _drawn(world, rng, day, Kind.BROWSER, customer, np.zeros(size, dtype=bool), is_logged_in)


def strangers(world: World, day: int, kind: Kind, start: Ints) -> Visits:
    """Visits at these seconds of the day by somebody never seen before, straight to the shop, on a desktop."""
    size, number = len(start), np.arange(len(start))
    none = np.zeros(size, dtype=bool)
    desktop, direct = np.full(size, 1), np.full(size, 1)
    visitor = mixed(world.seed, OF_STRANGERS, int(kind), day, number)
    return Visits(np.full(size, kind), np.full(size, STRANGER), none, none, desktop, direct, start, visitor)


def bots(world: World, rng: np.random.Generator, day: int) -> Visits:
    """Visits of programs: a few visitor ids that come again and again."""
    size = int(rng.poisson(world.parameters.visits.bots * world.scale))
    who = strangers(world, day, Kind.BOT, starts(world, rng, size, day))
    visitor = mixed(world.seed, OF_BOTS, rng.integers(BOT_IDS, size=size))
    return replace(who, visitor=visitor)


def _drawn(
    world: World,
    rng: np.random.Generator,
    day: int,
    kind: Kind,
    customer: Ints,
    is_guest: Bools,
    wants_login: Bools,
) -> Visits:
    own, size = world.parameters.visits, len(customer)
    device = rng.choice(len(own.devices), size, p=shares(own.devices)[1])
    source = rng.choice(len(own.sources), size, p=shares(own.sources)[1])
    known = customer >= 0
    unknown = mixed(world.seed, OF_STRANGERS, int(kind), day, np.arange(size))
    visitor = np.where(known, world.customers.cookie(np.maximum(customer, 0), device, day), unknown)
    return Visits(
        np.full(size, kind),
        customer,
        is_guest,
        known & ~is_guest & wants_login,
        device,
        source,
        starts(world, rng, size, day),
        visitor,
    )
