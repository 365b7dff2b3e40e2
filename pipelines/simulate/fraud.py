"""A few fraud patterns: stolen cards tried out on something cheap, and resellers who clear a promotion.

(Return abuse is a trait of customers.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.simulate import demand, text, visits
from pipelines.simulate.demand import Baskets
from pipelines.simulate.streams import Bools, Ints, Purpose, days_between
from pipelines.simulate.visits import Kind, Visits
from pipelines.simulate.world import Day, World

BURST_SECONDS = 3_600
CARD_TESTING, RESELLER = "card_testing", "reseller"
PATTERNS = (CARD_TESTING, RESELLER)
CHEAPEST = 10  # SKUs that card testers choose from


def is_card_testing(who: Visits) -> Bools:
    return np.asarray((who.kind == Kind.FRAUD) & (who.customer < 0))


def attempts(world: World, day: Day) -> tuple[Visits, Baskets]:
    """The day's fraudulent visits and what they want to order."""
    own, rng = world.parameters.fraud, world.stream(Purpose.FRAUD, day.number)
    bursts = int(rng.poisson(own.card_testing_daily * world.scale))
    resellers = int(rng.poisson(own.reseller_daily * world.scale))
    sold = np.flatnonzero(world.catalog.is_sold(day.number))
    if len(sold) == 0 or not day.wishes.any():
        bursts = resellers = 0
    starts, skus = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    cheapest = sold[np.argsort(day.shown_pence[sold], kind="stable")[:CHEAPEST]]
    for _ in range(bursts):
        orders = int(days_between(rng, own.card_testing_orders, 1)[0])
        starts.append(rng.integers(20 * BURST_SECONDS) + np.sort(rng.integers(BURST_SECONDS, size=orders)))
        skus.append(rng.choice(cheapest, orders))
    start, sku = np.concatenate(starts), np.concatenate(skus)
    testers = visits.strangers(world, day.number, Kind.FRAUD, start)
    tested = Baskets(np.arange(len(sku)), sku, np.ones(len(sku), dtype=np.int64), len(sku))
    reseller_visits, cleared = _resellers(world, rng, day, sold, resellers)
    return visits.together(testers, reseller_visits), demand.together(tested, cleared)


def _resellers(world: World, rng: np.random.Generator, day: Day, sold: Ints, size: int) -> tuple[Visits, Baskets]:
    own = world.parameters.fraud
    promoted = sold[day.discount_percent[sold] > 0]
    if len(promoted) < own.reseller_lines:
        size = 0
    who = visits.shoppers(world, rng, day.number, Kind.FRAUD, np.zeros(size, dtype=np.int64))
    members = replace(who, is_guest=np.zeros(size, dtype=bool), is_logged_in=np.ones(size, dtype=bool))
    lines = [rng.choice(promoted, own.reseller_lines, replace=False) for _ in range(size)]
    sku = np.concatenate([np.empty(0, np.int64), *lines])
    units = days_between(rng, own.reseller_units, len(sku))
    return members, Baskets(np.repeat(np.arange(size), own.reseller_lines), sku, units, size)


def truth(who: Visits, order_id: pa.Array) -> dict[str, Any]:
    """The fraudulent ones among a day's orders, given with their visits."""
    fraudulent = np.flatnonzero(who.kind == Kind.FRAUD)
    return {
        "order_id": text.picked(order_id, fraudulent),
        "pattern": text.chosen(PATTERNS, np.where(is_card_testing(who), 0, 1)[fraudulent]),
    }
