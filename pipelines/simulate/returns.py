"""Which lines come back, why and when, and the steps of a return.

Each line has four independent causes: it does not fit, it disappoints, the customer changes their mind, it
came late. The chance of a return is 1 - prod(1 - p_cause); the first cause that acts is the reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.fulfilment import Fates
from pipelines.simulate.sales import Sales
from pipelines.simulate.streams import Bools, Floats, Ints, Purpose, days_between
from pipelines.simulate.world import World

REASONS = ("does not fit", "not as described", "changed my mind", "arrived too late")
MOST_CHANCE = 0.9


def causes(world: World, placed: Sales, fate: Fates) -> Floats:
    """The chance of each cause for each line, shape (causes, lines); 0 for a cancelled order."""
    own, of_line = world.parameters.returns, placed.line_order
    mind = own.changed_mind * world.customers.proneness(placed.customer)[of_line]
    late = np.where(fate.is_late[of_line], own.arrived_late, 0.0)
    catalog = world.catalog
    chances = np.stack([catalog.fit_risk[placed.sku], catalog.quality_risk[placed.sku], mind, late])
    return np.asarray(np.minimum(chances, MOST_CHANCE) * ~fate.is_cancelled[of_line])


def follow(world: World, placed: Sales, fate: Fates) -> dict[str, Any]:
    """Put the returns of the day's lines in the outbox and their units back in stock.

    Returns the truth of every line: its chance of a return, and what came of it, also after the last day.
    """
    own, size = world.parameters.returns, len(placed.sku)
    rng = world.stream(Purpose.RETURNS, placed.day)
    chances = causes(world, placed, fate)
    acts = rng.random(chances.shape) < chances
    is_returned, reason = np.logical_or.reduce(acts, axis=0), np.argmax(acts, axis=0)
    kept = placed.quantity - fate.cancelled_units
    is_partial = (rng.random(size) < own.partial_share) & (kept > 1)
    units = np.where(is_partial, rng.integers(1, np.maximum(kept, 2)), kept)
    wait = np.minimum(rng.geometric(1 / own.delay_days, size), own.delay_days_most)
    requested = fate.delivery_day[placed.line_order] + wait
    truth = {
        "order_line_id": placed.order_line_id,
        "sku": text.picked(world.catalog.sku, placed.sku),
        "ordered_on": world.clock.dates(np.full(size, placed.day)),
        "quantity": placed.quantity,
        "is_cancelled": fate.is_cancelled[placed.line_order],
        "cancelled_quantity": fate.cancelled_units,
        "true_return_probability": 1 - np.prod(1 - chances, axis=0),
        "is_returned": is_returned,
        "returned_quantity": np.where(is_returned, units, 0),
        "return_requested_on": pa.array(world.clock.dates(requested), mask=~is_returned),
        "return_reason": text.only(text.chosen(REASONS, reason), is_returned),
    }
    line = np.flatnonzero(is_returned)
    first = {
        "return_id": text.joined("R", placed.order_line_id),
        "order_line_id": placed.order_line_id,
        "quantity": text.whole(units),
        "reason": truth["return_reason"],
        "requested_at": text.instants(world.clock.within(requested, rng.random(size))),
        "status": text.constant("requested", size),
    }
    refund = placed.net * units // placed.quantity
    settled, is_accepted = _deliver(
        world, rng, text.rows("returns", first).take(pa.array(line)), requested[line], refund[line]
    )
    back = line[is_accepted]
    world.stock.give_back(placed.sku[back], units[back], settled[is_accepted] + 1)
    return truth


def _deliver(
    world: World, rng: np.random.Generator, first: pa.Table, requested: Ints, refund: Ints
) -> tuple[Ints, Bools]:
    """Three states, each delivered on its own day: requested, received, then refunded or rejected.

    Returns the last of these days and whether the return was accepted.
    """
    own, size = world.parameters.returns, len(first)
    received = requested + days_between(rng, own.transit_days, size)
    settled = received + days_between(rng, own.refund_days, size)
    is_accepted = rng.random(size) >= own.rejected_share
    arrived = {
        "status": text.constant("received", size),
        "received_at": text.instants(world.clock.within(received, rng.random(size))),
    }
    second = text.changed(first, arrived)
    outcome = {
        "status": text.chosen(["rejected", "refunded"], is_accepted.astype(np.int64)),
        "refund_amount": text.only(text.decimal(refund, 2), is_accepted),
    }
    world.outbox.add("returns", first, requested)
    world.outbox.add("returns", second, received)
    world.outbox.add("returns", text.changed(second, outcome), settled)
    return settled, is_accepted
