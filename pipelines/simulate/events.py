"""The clickstream as delivered: visits' clicks as rows of the events feed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.feeds import EVENT_TYPES
from pipelines.simulate import text
from pipelines.simulate.clicks import ADD_TO_CART, CHECKOUT_START, PURCHASE, REMOVE_FROM_CART, Clicks
from pipelines.simulate.sales import order_id
from pipelines.simulate.streams import Ints, Purpose
from pipelines.simulate.vocabulary import SEARCHES
from pipelines.simulate.world import Day, World

# The address of each kind of click, before what it is about.
PAGES = ("?utm_source=", "search?q=", "p/", "p/", "p/", "checkout?visit=", "thanks?order=")


def session_ids(world: World, day: Day, size: int) -> pa.Array:
    """By visit, in no order that would tell what kind of visit it is."""
    number = world.stream(Purpose.SESSIONS, day.number).permutation(size)
    return text.numbered(f"S{day.number:05d}-", number, 6)


def visitor_ids(visitor: Ints) -> pa.Array:
    return text.numbered("V", visitor, 12)


def deliver(world: World, day: Day, done: Clicks, session: pa.Array) -> None:
    """Put the day's events in the outbox: most arrive at once, some up to three days late, some twice."""
    own, rng = world.parameters.visits, world.stream(Purpose.EVENTS, day.number)
    events = _rows(world, rng, day, done, session)
    late = rng.choice(len(own.late_shares), len(events), p=own.late_shares)
    world.outbox.add("events", events, day.number + late)
    twice = np.flatnonzero(rng.random(len(events)) < own.twice_share)
    again = day.number + np.minimum(late[twice] + rng.integers(2, size=len(twice)), len(own.late_shares) - 1)
    world.outbox.add("events", events.take(pa.array(twice)), again)


def _rows(world: World, rng: np.random.Generator, day: Day, done: Clicks, session: pa.Array) -> pa.Table:
    """The events in order of time."""
    order = np.argsort(done.instant, kind="stable")
    visit, kind = done.visit[order], done.kind[order]
    has_item, has_units = done.item[order] >= 0, np.isin(kind, (ADD_TO_CART, REMOVE_FROM_CART, PURCHASE))
    # One entry more than there are items, so that a click without an item, -1, finds one too.
    sku = np.append(done.items.sku, 0)[done.item[order]]
    units = np.append(done.items.carted, 0)[done.item[order]]
    of_visit = {name: text.picked(values, visit) for name, values in _of_visits(world, done, session).items()}
    who = done.visits
    is_known = who.is_logged_in[visit] | (who.is_member[visit] & np.isin(kind, (CHECKOUT_START, PURCHASE)))
    bought = text.only(order_id(done.order[visit]), kind == PURCHASE)
    source, sku_text = of_visit["traffic_source"], text.picked(world.catalog.sku, sku, has_item)
    word = text.chosen(SEARCHES, rng.integers(len(SEARCHES), size=len(visit)))
    item_page = text.joined(sku_text, "?ref=", source)
    about = text.by_row(kind, source, word, item_page, item_page, item_page, of_visit["session_id"], bought)
    return text.rows(
        "events",
        {
            "event_id": text.numbered(f"E{day.number:05d}-", np.arange(len(visit)), 7),
            **of_visit,
            "customer_id": text.only(of_visit["customer_id"], is_known),
            "occurred_at": text.instants(done.instant[order]),
            "event_type": text.chosen(EVENT_TYPES, kind),
            "sku": sku_text,
            "quantity": text.only(text.whole(units), has_units),
            "unit_price": text.only(text.decimal(day.shown_pence[sku], 2), has_item),
            "order_id": bought,
            "page_url": text.joined("https://shop.example.com/", text.chosen(PAGES, kind), about),
        },
    )


def _of_visits(world: World, done: Clicks, session: pa.Array) -> dict[str, pa.Array]:
    own, who = world.parameters.visits, done.visits
    customer = np.maximum(who.customer, 0)
    return {
        "visitor_id": visitor_ids(who.visitor),
        "session_id": session,
        "customer_id": world.customers.customer_id(customer),
        "device": text.chosen([name for name, _ in own.devices], who.device),
        "country": text.only(world.customers.country(customer), who.customer >= 0),
        "traffic_source": text.chosen([name for name, _ in own.sources], who.source),
    }
