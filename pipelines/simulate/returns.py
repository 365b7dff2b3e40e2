"""Which lines come back, why and when, and the steps of a return.

Each line has five independent causes: it does not fit, it disappoints, another size was ordered as well, the
customer changes their mind, it came late. The chance of a return is 1 - prod(1 - p_cause); the first cause that
acts is the reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.simulate import fulfilment, text
from pipelines.simulate.fulfilment import Fates
from pipelines.simulate.return_belief import Lines, ReturnBelief, delay_shares
from pipelines.simulate.sales import Sales, converted, rates
from pipelines.simulate.streams import Bools, Floats, Ints, Purpose, days_between
from pipelines.simulate.world import World

REASONS = ("does not fit", "not as described", "ordered two sizes", "changed my mind", "arrived too late")


def has_other_size(world: World, placed: Sales) -> Bools:
    """Lines whose style is in the order in another size as well."""
    catalog = world.catalog
    styles = int(catalog.style.max()) + 1
    _, where, lines = np.unique(
        placed.line_order * styles + catalog.style[placed.sku], return_inverse=True, return_counts=True
    )
    return np.asarray((lines[where] > 1) & catalog.is_worn[placed.sku])


def causes(world: World, placed: Sales, fate: Fates, rate: Floats, two_sizes: Floats) -> Floats:
    """The chance of each cause for each line, shape (causes, lines)."""
    own, of_line, catalog = world.parameters.returns, placed.line_order, world.catalog
    proneness = world.customers.traits.proneness[np.maximum(placed.customer, 0)]
    mind = -np.expm1(-rate * np.where(placed.customer >= 0, proneness, 1.0)[of_line])
    late = np.where(fate.is_late[of_line], own.arrived_late, 0.0)
    return np.stack([catalog.fit_risk[placed.sku], catalog.quality_risk[placed.sku], two_sizes, mind, late])


def follow(world: World, placed: Sales, fate: Fates, belief: ReturnBelief) -> dict[str, Any]:
    """Put the returns of the day's lines in the outbox and their units back in stock.

    Returns the truth of every line: its chance of a return, and what came of it, also after the last day.
    """
    own, size, of_line = world.parameters.returns, len(placed.sku), placed.line_order
    rng = world.stream(Purpose.RETURNS, placed.day)
    rate = own.changed_mind * (1 + own.discount_weight * placed.discount / (placed.price * placed.quantity))
    two_sizes: Floats = own.two_sizes * has_other_size(world, placed).astype(np.float64)
    chances, is_cancelled = causes(world, placed, fate, rate, two_sizes), fate.is_cancelled[of_line]
    acts = (rng.random(chances.shape) < chances) & ~is_cancelled
    is_returned, reason = np.logical_or.reduce(acts, axis=0), np.argmax(acts, axis=0)
    kept = placed.quantity - fate.cancelled_units
    is_partial = (rng.random(size) < own.partial_share) & (kept > 1)
    units = np.where(is_partial, rng.integers(1, np.maximum(kept, 2)), kept)
    wait = 1 + np.searchsorted(np.cumsum(delay_shares(own)), rng.random(size), side="right")
    delivered = fate.delivery_day[of_line]
    requested = delivered + np.minimum(wait, own.window_days)
    truth = {
        "order_line_id": placed.order_line_id,
        "sku": text.picked(world.catalog.sku, placed.sku),
        "ordered_on": world.clock.dates(np.full(size, placed.day)),
        "quantity": placed.quantity,
        "is_cancelled": is_cancelled,
        "cancelled_quantity": fate.cancelled_units,
        "true_return_probability": (1 - np.prod(1 - chances, axis=0)) * ~is_cancelled,
        **_knowable(world, placed, fate, belief, rate, two_sizes),
        "is_returned": is_returned,
        "returned_quantity": np.where(is_returned, units, 0),
        "return_requested_on": pa.array(world.clock.dates(requested), mask=~is_returned),
        "return_reason": text.only(text.chosen(REASONS, reason), is_returned),
    }
    goes = ~is_cancelled
    watched = _lines(placed, rate).chosen(goes)
    belief.watch(watched, delivered[goes], np.where(is_returned, requested, -1)[goes], reason[goes])
    line = np.flatnonzero(is_returned)
    first = {
        "return_id": text.joined("R", placed.order_line_id),
        "order_line_id": placed.order_line_id,
        "quantity": text.whole(units),
        "reason": truth["return_reason"],
        "requested_at": text.instants(world.clock.within(requested, rng.random(size))),
        "status": text.constant("requested", size),
    }
    refund = converted(placed.net * units // placed.quantity, rates(world, placed)[of_line])
    settled, is_accepted = _deliver(
        world, rng, text.rows("returns", first).take(pa.array(line)), requested[line], refund[line]
    )
    back = line[is_accepted]
    world.stock.give_back(placed.sku[back], units[back], settled[is_accepted] + 1)
    return truth


def _lines(placed: Sales, rate: Floats) -> Lines:
    full = np.ones(len(placed.sku))
    customer = np.where(placed.is_guest, -1, placed.customer)[placed.line_order]
    return Lines(placed.sku, customer, rate, full, full, full)


def _knowable(
    world: World, placed: Sales, fate: Fates, belief: ReturnBelief, rate: Floats, two_sizes: Floats
) -> dict[str, Floats]:
    """With the past as known the evening before the order; lateness as known at order, shipment and delivery."""
    own, of_line = world.parameters, placed.line_order
    kept = np.prod(1 - belief.chances(_lines(placed, rate)), axis=0) * (1 - two_sizes)
    late = {
        "at_order": fulfilment.late_chance_when_ordered(world, placed),
        "at_shipment": fulfilment.late_chance(own.orders, fate.mean_transit, fate.is_express),
        "at_delivery": fate.is_late.astype(float),
    }
    return {
        f"knowable_return_probability_{when}": 1 - kept * (1 - own.returns.arrived_late * chance[of_line])
        for when, chance in late.items()
    }


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
