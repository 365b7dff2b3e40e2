"""What visitors do: visits that end in an order, and the many that do not.

Every basket of wishes is a visit: each wish is a product view, and what was in stock goes through cart and
checkout to the purchase, whose instant becomes the order's. Browsing visits view SKUs in proportion to the
day's interest and leave at some step of the funnel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.feeds import EVENT_TYPES
from pipelines.simulate import calendar
from pipelines.simulate.sales import Baskets, rank_in
from pipelines.simulate.streams import Bools, Ints, Purpose
from pipelines.simulate.world import Day, World

PAGE_VIEW, SEARCH, PRODUCT_VIEW, ADD_TO_CART, REMOVE_FROM_CART, CHECKOUT_START, PURCHASE = range(len(EVENT_TYPES))

# Where a step comes within its visit: items in the order they are looked at, then checkout and purchase.
STEPS_PER_ITEM = 3
FIRST_ITEM_STEP = 2
CHECKOUT_STEP = 100_000
STEPS_PER_VISIT = 1_000_000

# Relative number of visits that begin in each hour of the day.
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 10, 11, 10, 9, 9, 9, 10, 11, 13, 14, 13, 9, 5)


@dataclass(frozen=True)
class Visits:
    """Who comes: the first visits are those of the baskets. An unknown visitor has customer -1.

    `order` is the number of the order a visit ends in, 0 without one.
    """

    customer: Ints
    is_logged_in: Bools
    order: Ints
    baskets: int

    @property
    def size(self) -> int:
        return len(self.customer)

    @property
    def is_browsing(self) -> Bools:
        return np.arange(self.size) >= self.baskets


@dataclass(frozen=True)
class Items:
    """What visits look at, in order; the units put in the cart, and whether they are taken out or bought."""

    visit: Ints
    sku: Ints
    carted: Ints
    is_removed: Bools
    is_bought: Bools


@dataclass(frozen=True)
class Clicks:
    """Steps in order of visit and time: which visit, which of `EVENT_TYPES`, which item (-1 without one), when."""

    visits: Visits
    items: Items
    visit: Ints
    kind: Ints
    item: Ints
    instant: Ints

    def bought_at(self) -> Ints:
        """The instant each basket was paid for; 0 for a basket that sold nothing."""
        bought = np.zeros(self.visits.baskets, dtype=np.int64)
        is_purchase = self.kind == PURCHASE
        bought[self.visit[is_purchase]] = self.instant[is_purchase]
        return bought


def clicks(world: World, day: Day, of: Baskets) -> Clicks:
    rng = world.stream(Purpose.CLICKS, day.number)
    visits = _visits(world, rng, day, of)
    items = _items(world, rng, day, of, visits)
    visit, kind, item = _steps(world, rng, visits, items)
    return Clicks(visits, items, visit, kind, item, _instants(world, rng, day, visit, kind))


def _visits(world: World, rng: np.random.Generator, day: Day, of: Baskets) -> Visits:
    own = world.parameters.clicks
    pace = calendar.pace(world.parameters.demand, day.on, day.number)
    browsing = int(rng.poisson(own.visits * world.scale * pace))
    has_account = rng.random(browsing) < own.customer_share
    browser = np.where(has_account, world.customers.draw(rng, browsing), -1)
    is_logged_in = has_account & (rng.random(browsing) < own.login_share)
    return Visits(
        np.concatenate([np.where(of.is_guest, -1, of.customer), browser]),
        np.concatenate([~of.is_guest, is_logged_in]),
        np.concatenate([of.order, np.zeros(browsing, dtype=np.int64)]),
        len(of.customer),
    )


def _items(world: World, rng: np.random.Generator, day: Day, of: Baskets, visits: Visits) -> Items:
    """The wishes, and what else is looked at: only a browsing visit puts that in its cart."""
    own, reach, filled = world.parameters.clicks, np.cumsum(day.interest), of.filled
    views = rng.geometric(1 / (1 + own.views_mean), visits.size) - 1
    if reach[-1] == 0:
        views[:] = 0
    visit = np.repeat(np.arange(visits.size), views)
    sku = np.searchsorted(reach, rng.random(len(visit)) * reach[-1], side="right")
    can_cart = (world.stock.on_hand[sku] > 0) & visits.is_browsing[visit]
    carted = (rng.random(len(visit)) < own.cart_share) & can_cart
    removed = carted & (rng.random(len(visit)) < own.remove_share)
    all_visits = np.concatenate([of.wishes.basket, visit])
    order = np.argsort(all_visits, kind="stable")
    return Items(
        all_visits[order],
        np.concatenate([of.wishes.sku, sku])[order],
        np.concatenate([filled, carted.astype(np.int64)])[order],
        np.concatenate([np.zeros(len(filled), dtype=bool), removed])[order],
        np.concatenate([filled > 0, np.zeros(len(visit), dtype=bool)])[order],
    )


def _steps(world: World, rng: np.random.Generator, visits: Visits, items: Items) -> tuple[Ints, Ints, Ints]:
    """Visit, kind and item of every click, in order of visit and of the steps within it."""
    own, everyone = world.parameters.clicks, np.arange(visits.size)
    searches = everyone[rng.random(visits.size) < own.search_share]
    stays = items.visit[(items.carted > 0) & ~items.is_removed]
    keeps = np.bincount(stays, minlength=visits.size) > 0
    checks_out = everyone[keeps & (~visits.is_browsing | (rng.random(visits.size) < own.checkout_share))]
    item_step = FIRST_ITEM_STEP + STEPS_PER_ITEM * rank_in(items.visit)
    viewed = np.arange(len(items.visit))
    carted, bought = np.flatnonzero(items.carted), np.flatnonzero(items.is_bought)
    removed = np.flatnonzero(items.is_removed)
    no_item = np.full(visits.size, -1)
    parts = (
        (PAGE_VIEW, everyone, np.zeros_like(everyone), no_item),
        (SEARCH, searches, np.ones_like(searches), no_item[: len(searches)]),
        (PRODUCT_VIEW, items.visit, item_step, viewed),
        (ADD_TO_CART, items.visit[carted], item_step[carted] + 1, carted),
        (REMOVE_FROM_CART, items.visit[removed], item_step[removed] + 2, removed),
        (CHECKOUT_START, checks_out, np.full_like(checks_out, CHECKOUT_STEP), no_item[: len(checks_out)]),
        (PURCHASE, items.visit[bought], item_step[bought] + CHECKOUT_STEP, bought),
    )
    kind = np.repeat([part[0] for part in parts], [len(part[1]) for part in parts])
    visit, step, item = (np.concatenate([part[column] for part in parts]) for column in (1, 2, 3))
    order = np.argsort(visit * STEPS_PER_VISIT + step)
    return visit[order], kind[order], item[order]


def _instants(world: World, rng: np.random.Generator, day: Day, visit: Ints, kind: Ints) -> Ints:
    """When each step happens; no visit runs past its day, and an order's purchases share one instant."""
    visits = int(visit[-1]) + 1 if len(visit) else 0
    hour = rng.choice(len(HOURS), visits, p=np.array(HOURS) / sum(HOURS))
    start = hour * 3_600 + rng.integers(3_600, size=visits)
    gap = 1 + rng.exponential(world.parameters.clicks.gap_seconds, len(visit)).astype(np.int64)
    goes_on = np.r_[False, visit[1:] == visit[:-1]][: len(visit)]
    is_same_purchase = goes_on & np.r_[False, (kind[1:] == PURCHASE) & (kind[:-1] == PURCHASE)][: len(visit)]
    elapsed = np.cumsum(np.where(goes_on & ~is_same_purchase, gap, 0))
    first = np.searchsorted(visit, np.arange(visits), side="left")
    last = np.searchsorted(visit, np.arange(visits), side="right") - 1
    duration = elapsed[last] - elapsed[first]
    start = np.maximum(np.minimum(start, world.clock.length(day.number) - 1 - duration), 0)
    return np.asarray(world.clock.start(day.number) + start[visit] + elapsed - elapsed[first][visit])
