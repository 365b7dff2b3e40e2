"""What visitors click: a page, perhaps a search, products, the cart, the checkout, the purchase.

A visit with a cart looks at its items first, in the order in which they are wanted, then at others; what it
tries of those it takes out again. Who comes back for a cart finds it filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.feeds import EVENT_TYPES
from pipelines.simulate.demand import position
from pipelines.simulate.streams import Bools, Floats, Ints, Purpose, days_between
from pipelines.simulate.trade import Trade
from pipelines.simulate.visits import Kind, Visits
from pipelines.simulate.world import Day, World

PAGE_VIEW, SEARCH, PRODUCT_VIEW, ADD_TO_CART, REMOVE_FROM_CART, CHECKOUT_START, PURCHASE = range(len(EVENT_TYPES))
STATES = ("browsed", "viewed", "carted", "checked_out", "purchased")

# Where a step comes within its visit: items in the order they are looked at, then checkout and purchase.
STEPS_PER_ITEM = 3
FIRST_ITEM_STEP = 2
CHECKOUT_STEP = 100_000
STEPS_PER_VISIT = 1_000_000


@dataclass(frozen=True)
class Items:
    """What visits look at, in order; the units put in the cart, and whether they are taken out, bought, or were
    in the cart before."""

    visit: Ints
    sku: Ints
    carted: Ints
    is_removed: Bools
    is_bought: Bools
    was_there: Bools


@dataclass(frozen=True)
class Clicks:
    """Steps in order of visit and time: which visit, which of `EVENT_TYPES`, which item (-1 without one), when."""

    visits: Visits
    order: Ints
    items: Items
    visit: Ints
    kind: Ints
    item: Ints
    instant: Ints

    def at(self, kind: int, last: bool = False) -> Ints:
        """The instant of each visit's first (or last) click of the kind; 0 without one."""
        found = np.zeros(self.visits.size, dtype=np.int64)
        index = np.flatnonzero(self.kind == kind)
        index = index if last else index[::-1]
        found[self.visit[index]] = self.instant[index]
        return found

    def last(self) -> Ints:
        """The instant of each visit's last click."""
        found = np.zeros(self.visits.size, dtype=np.int64)
        found[self.visit] = self.instant
        return found

    def state(self) -> Ints:
        """How far each visit came, as an index into `STATES`."""
        kept = (self.items.carted > 0) & ~self.items.is_removed
        state = np.zeros(self.visits.size, dtype=np.int64)
        state[self.items.visit] = 1
        state[self.items.visit[kept]] = 2
        state[self.visit[self.kind == CHECKOUT_START]] = 3
        state[self.visit[self.kind == PURCHASE]] = 4
        return state


def clicks(world: World, day: Day, done: Trade) -> Clicks:
    """The clicks of a day's visits; what is looked at by the way is drawn as wishes are."""
    rng, who = world.stream(Purpose.CLICKS, day.number), done.visits
    items = _items(world, rng, done, who, day.wishes)
    checks_out = np.concatenate([done.comers.order > 0, done.left.is_checked_out, np.zeros(done.others.size, bool)])
    visit, kind, item = _steps(world, rng, who, items, checks_out)
    order = np.concatenate([done.comers.order, np.zeros(who.size - len(done.comers.order), dtype=np.int64)])
    return Clicks(who, order, items, visit, kind, item, _instants(world, rng, day, who, visit, kind))


def _items(world: World, rng: np.random.Generator, done: Trade, who: Visits, wishes: Floats) -> Items:
    own, comers, left = world.parameters.visits, done.comers, done.left.carts
    views = rng.geometric(1 / (1 + own.views_mean), who.size) - 1
    is_bot = who.kind == Kind.BOT
    views[is_bot] = days_between(rng, own.bot_views, int(is_bot.sum()))
    views[who.kind == Kind.FRAUD] = 0
    reach = np.cumsum(wishes)
    if reach[-1] == 0:
        views[:] = 0
    looks = np.repeat(np.arange(who.size), views)
    looked_at = np.searchsorted(reach, rng.random(len(looks)) * reach[-1], side="right")
    has_cart = np.isin(who.kind, (Kind.BUYER, Kind.LEAVER))[looks] & (world.stock.on_hand[looked_at] > 0)
    tried = has_cart & (rng.random(len(looks)) < own.tried_share)
    sold, came_back = comers.sold, comers.visits.kind[comers.wanted.basket] == Kind.RETURNER
    visit = np.concatenate([comers.wanted.basket, left.basket + comers.visits.size, looks])
    order = np.argsort(visit, kind="stable")
    no, none = np.zeros(len(left.sku), dtype=bool), np.zeros(len(looks), dtype=bool)
    return Items(
        visit[order],
        np.concatenate([comers.wanted.sku, left.sku, looked_at])[order],
        np.concatenate([sold, left.units, tried.astype(np.int64)])[order],
        np.concatenate([np.zeros(len(sold), dtype=bool), no, tried])[order],
        np.concatenate([sold > 0, no, none])[order],
        np.concatenate([came_back, no, none])[order],
    )


def _steps(
    world: World, rng: np.random.Generator, who: Visits, items: Items, checks_out: Bools
) -> tuple[Ints, Ints, Ints]:
    """Visit, kind and item of every click, in order of visit and of the steps within it."""
    everyone = np.arange(who.size)
    searches = everyone[rng.random(who.size) < world.parameters.visits.search_share]
    pays = everyone[checks_out]
    item_step = FIRST_ITEM_STEP + STEPS_PER_ITEM * position(np.bincount(items.visit, minlength=who.size))
    viewed = np.arange(len(items.visit))
    carted = np.flatnonzero((items.carted > 0) & ~items.was_there)
    bought, removed = np.flatnonzero(items.is_bought), np.flatnonzero(items.is_removed)
    no_item = np.full(who.size, -1)
    parts = (
        (PAGE_VIEW, everyone, np.zeros_like(everyone), no_item),
        (SEARCH, searches, np.ones_like(searches), no_item[: len(searches)]),
        (PRODUCT_VIEW, items.visit, item_step, viewed),
        (ADD_TO_CART, items.visit[carted], item_step[carted] + 1, carted),
        (REMOVE_FROM_CART, items.visit[removed], item_step[removed] + 2, removed),
        (CHECKOUT_START, pays, np.full_like(pays, CHECKOUT_STEP), no_item[: len(pays)]),
        (PURCHASE, items.visit[bought], item_step[bought] + CHECKOUT_STEP, bought),
    )
    kind = np.repeat([part[0] for part in parts], [len(part[1]) for part in parts])
    visit, step, item = (np.concatenate([part[column] for part in parts]) for column in (1, 2, 3))
    order = np.argsort(visit * STEPS_PER_VISIT + step)
    return visit[order], kind[order], item[order]


def _instants(world: World, rng: np.random.Generator, day: Day, who: Visits, visit: Ints, kind: Ints) -> Ints:
    """When each step happens; no visit runs past its day, and an order's purchases share one instant."""
    mean = np.where(who.kind == Kind.BOT, 1.0, world.parameters.visits.gap_seconds)[visit]
    gap = 1 + (rng.standard_exponential(len(visit)) * mean).astype(np.int64)
    goes_on = np.r_[False, visit[1:] == visit[:-1]][: len(visit)]
    is_same_purchase = goes_on & np.r_[False, (kind[1:] == PURCHASE) & (kind[:-1] == PURCHASE)][: len(visit)]
    elapsed = np.cumsum(np.where(goes_on & ~is_same_purchase, gap, 0))
    first = np.searchsorted(visit, np.arange(who.size), side="left")
    last = np.searchsorted(visit, np.arange(who.size), side="right") - 1
    duration = elapsed[last] - elapsed[first]
    start = np.maximum(np.minimum(who.start, world.clock.length(day.number) - 1 - duration), 0)
    return np.asarray(world.clock.start(day.number) + start[visit] + elapsed - elapsed[first][visit])
