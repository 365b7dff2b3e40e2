"""What becomes of an order after its day: cancelled, or shipped and delivered."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import pdtrc

from pipelines.simulate import calendar, text
from pipelines.simulate.parameters import OrderParameters
from pipelines.simulate.sales import Sales, country_index
from pipelines.simulate.streams import Bools, Floats, Ints, Purpose, days_between
from pipelines.simulate.world import World

# Share of its day at which a parcel is promised: nine in the evening.
PROMISED_BY = 21 / 24
EXPRESS_TRANSIT = 0.5  # times the carrier's mean


@dataclass(frozen=True)
class Fates:
    """Days of each order's further life, all after the day it was placed; a cancelled order is not shipped.

    `cancelled_units` are those of single lines, one entry per line.
    """

    is_cancelled: Bools
    cancel_day: Ints
    ship_day: Ints
    promise_day: Ints
    delivery_day: Ints
    carrier: Ints
    is_express: Bools
    cancelled_units: Ints
    mean_transit: Floats

    @property
    def is_late(self) -> Bools:
        return np.asarray(self.delivery_day > self.promise_day)


def fates(world: World, placed: Sales) -> Fates:
    own, day, size = world.parameters.orders, placed.day, len(placed.number)
    rng = world.stream(Purpose.SHIPPING, day)
    weights = np.array([share for _, share, _ in own.carriers])
    carrier = rng.choice(len(weights), size, p=weights / weights.sum())
    is_express = rng.random(size) < own.express_share
    ship_day = day + days_between(rng, own.ship_days, size)
    in_peak = np.array([calendar.is_peak(world.clock.date(number)) for number in range(day, day + 8)])
    mean_transit = _mean_transit(own, country_index(world, placed), carrier, is_express, in_peak[ship_day - day])
    transit = rng.poisson(mean_transit)
    is_cancelled = rng.random(size) < np.where(
        placed.is_card_testing, world.parameters.fraud.card_testing_cancelled, own.cancel_share
    )
    may_lose_a_unit = (placed.quantity > 1) & ~is_cancelled[placed.line_order]
    loses = rng.random(len(placed.sku)) < own.line_cancel_share
    return Fates(
        is_cancelled=is_cancelled,
        cancel_day=day + days_between(rng, own.cancel_days, size),
        ship_day=ship_day,
        promise_day=ship_day + np.where(is_express, own.express_promise_days, own.standard_promise_days),
        delivery_day=ship_day + 1 + transit,
        carrier=carrier,
        is_express=is_express,
        cancelled_units=(may_lose_a_unit & loses).astype(np.int64),
        mean_transit=mean_transit,
    )


def _mean_transit(
    parameters: OrderParameters, country: Ints, carrier: Ints, is_express: Bools, is_peak: Bools
) -> Floats:
    """Mean days in transit beyond the first: by carrier and lane, worse with some carriers in the peak."""
    usual = np.array([mean for _, _, mean in parameters.carriers])[carrier]
    lane = np.array([days for _, days in parameters.lane_days])[country]
    fails = np.array([name in parameters.failing_carriers for name, _, _ in parameters.carriers])[carrier]
    standard = (usual + lane) * np.where(fails & is_peak, parameters.failing_factor, 1.0)
    return np.asarray(standard * np.where(is_express, EXPRESS_TRANSIT, 1.0))


def late_chance(parameters: OrderParameters, mean_transit: Floats, is_express: Bools) -> Floats:
    """The chance of a delivery after the promised day: one day and a Poisson number of further ones."""
    promised = np.where(is_express, parameters.express_promise_days, parameters.standard_promise_days)
    return np.asarray(pdtrc(promised - 1, mean_transit))


def late_chance_when_ordered(world: World, placed: Sales) -> Floats:
    """The same while carrier and service are not yet chosen, by the country and the season alone."""
    own, country = world.parameters.orders, country_index(world, placed)
    weights = np.array([share for _, share, _ in own.carriers])
    first, last = own.ship_days
    ship_days = [calendar.is_peak(world.clock.date(placed.day + after)) for after in range(first, last + 1)]
    services = ((True, own.express_share), (False, 1 - own.express_share))
    chance = np.zeros(len(country))
    for (carrier, weight), (is_express, share), is_peak in product(
        enumerate(weights / weights.sum()), services, ship_days
    ):
        express, peak = np.full(len(country), is_express), np.full(len(country), is_peak)
        mean = _mean_transit(own, country, np.full(len(country), carrier), express, peak)
        chance += weight * share / len(ship_days) * late_chance(own, mean, express)
    return chance


def truth(world: World, placed: Sales, fate: Fates) -> dict[str, Any]:
    """The parcels of the day's orders; dates may lie after the last day."""
    goes = np.flatnonzero(~fate.is_cancelled)
    dates = world.clock.dates
    return {
        "shipment_id": text.numbered("P", placed.number[goes], 9),
        "order_id": text.picked(placed.order_id, goes),
        "shipped_on": dates(fate.ship_day[goes]),
        "promised_on": dates(fate.promise_day[goes]),
        "true_delivered_on": dates(fate.delivery_day[goes]),
        "knowable_mean_transit_days": 1 + fate.mean_transit[goes],
        "knowable_late_probability": late_chance(
            world.parameters.orders, fate.mean_transit[goes], fate.is_express[goes]
        ),
        "is_late": fate.is_late[goes],
    }


def follow(world: World, placed: Sales, fate: Fates, orders: pa.Table, lines: pa.Table) -> None:
    """Put the later states of orders, lines and parcels in the outbox, and cancelled units back in stock."""
    rng = world.stream(Purpose.FOLLOW_UP, placed.day)
    _cancel_orders(world, rng, placed, fate, orders)
    _cancel_units(world, rng, placed, fate, lines)
    _ship(world, rng, placed, fate, orders)


def _cancel_orders(world: World, rng: np.random.Generator, placed: Sales, fate: Fates, orders: pa.Table) -> None:
    gone = np.flatnonzero(fate.is_cancelled)
    at = text.instants(world.clock.within(fate.cancel_day[gone], rng.random(len(gone))))
    status = text.constant("cancelled", len(gone))
    after = {"status": status, "cancelled_at": at, "updated_at": at}
    world.outbox.add("orders", text.changed(orders.take(pa.array(gone)), after), fate.cancel_day[gone])
    lines = np.flatnonzero(fate.is_cancelled[placed.line_order])
    back_on = fate.cancel_day[placed.line_order[lines]] + 1
    world.stock.give_back(placed.sku[lines], placed.quantity[lines], back_on)


def _cancel_units(world: World, rng: np.random.Generator, placed: Sales, fate: Fates, lines: pa.Table) -> None:
    gone = np.flatnonzero(fate.cancelled_units)
    due = np.full(len(gone), placed.day + 1)
    after = {
        "cancelled_quantity": text.whole(fate.cancelled_units[gone]),
        "updated_at": text.instants(world.clock.within(due, rng.random(len(gone)))),
    }
    world.outbox.add("order_lines", text.changed(lines.take(pa.array(gone)), after), due)
    world.stock.give_back(placed.sku[gone], fate.cancelled_units[gone], due + 1)


def _ship(world: World, rng: np.random.Generator, placed: Sales, fate: Fates, orders: pa.Table) -> None:
    size, goes = len(orders), np.flatnonzero(~fate.is_cancelled)
    shipped = text.instants(world.clock.within(fate.ship_day, rng.random(size)))
    delivered = text.instants(world.clock.within(fate.delivery_day, rng.random(size)))
    fulfilled = text.changed(orders, {"status": text.constant("fulfilled", size), "updated_at": shipped})
    parcels = _parcels(world, rng, placed, fate, shipped)
    arrived = text.changed(parcels, {"delivered_at": delivered})
    for feed, table, due in (
        ("orders", fulfilled, fate.ship_day),
        ("shipments", parcels, fate.ship_day),
        ("shipments", arrived, fate.delivery_day),
    ):
        world.outbox.add(feed, table.take(pa.array(goes)), due[goes])


def _parcels(world: World, rng: np.random.Generator, placed: Sales, fate: Fates, shipped: pa.Array) -> pa.Table:
    size, carriers = len(placed.number), world.parameters.orders.carriers
    units = placed.quantity - fate.cancelled_units
    weight = units * world.catalog.weight_grams[placed.sku]
    grams = np.bincount(placed.line_order, weights=weight, minlength=size).astype(np.int64)
    kilometre_tenths = np.rint(10 * rng.lognormal(4.8, 0.7, size)).astype(np.int64)
    return text.rows(
        "shipments",
        {
            "shipment_id": text.numbered("P", placed.number, 9),
            "order_id": placed.order_id,
            "carrier": text.chosen([name for name, _, _ in carriers], fate.carrier),
            "service": text.chosen(["standard", "express"], fate.is_express.astype(np.int64)),
            "shipped_at": shipped,
            "promised_at": text.instants(world.clock.within(fate.promise_day, np.full(size, PROMISED_BY))),
            "weight_kg": text.decimal(grams, 3),
            "distance_km": text.decimal(kilometre_tenths, 1),
        },
    )
