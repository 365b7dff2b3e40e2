"""The store at work: one day after the other, each day's drops written before the next begins."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.feeds import FEEDS
from pipelines.simulate import calendar, clicks, demand, dirt, drops, events, fulfilment, returns, sales, text
from pipelines.simulate.arguments import Arguments
from pipelines.simulate.catalog import Catalog
from pipelines.simulate.clock import Clock
from pipelines.simulate.customers import Customers
from pipelines.simulate.outbox import Outbox
from pipelines.simulate.parameters import Parameters
from pipelines.simulate.promotions import Promotions
from pipelines.simulate.stock import Stock
from pipelines.simulate.streams import Floats, Ints, Purpose, stream
from pipelines.simulate.truth import TruthTable
from pipelines.simulate.world import Day, World

FIRST_ORDER_NUMBER = 100_001
TRUTH_TABLES = ("sku", "sku_day", "line", "injected")


class Store:
    """`rows` counts what has been delivered so far, by feed."""

    def __init__(self, landing: Path, truth: Path, arguments: Arguments) -> None:
        self._landing = landing
        self._arguments = arguments
        self._world = found(arguments)
        own, seed = self._world.parameters, arguments.seed
        self._promotions = Promotions(seed, own.promotions, self._world.catalog, self._world.clock)
        self._next_order = FIRST_ORDER_NUMBER
        self._truth = {name: TruthTable(truth / f"{name}.parquet") for name in TRUTH_TABLES}
        self._truth["sku"].add(self._world.catalog.truth())
        self.rows: Counter[str] = Counter(dict.fromkeys(arguments.feeds, 0))

    def close(self) -> None:
        for table in self._truth.values():
            table.close()

    def live(self, number: int) -> None:
        """Let one day pass and deliver it. Days are lived in order from 0."""
        world = self._world
        world.catalog.advance(number)
        self._promotions.advance(number)
        world.stock.open(number)
        on, discount = world.clock.date(number), self._promotions.discount_percent(number)
        day = Day(number, on, demand.interest(world, number, on, discount), discount)
        self._trade(day)
        for feed, rows in (
            ("customers", world.customers.advance(number)),
            ("products", world.catalog.rows(number)),
            ("promotions", self._promotions.rows()),
            ("inventory", world.stock.rows(number)),
            ("calendar", _calendar_rows(day)),
        ):
            world.outbox.add(feed, rows, number)
        self._deliver(day)

    def _trade(self, day: Day) -> None:
        world, number = self._world, day.number
        mean = day.interest * calendar.is_open(day.on)
        wishes = demand.wishes(world, number, mean)
        filled = world.stock.fill(wishes.sku, wishes.wanted)
        baskets = sales.baskets(world, number, wishes, filled, self._next_order)
        done = clicks.clicks(world, day, baskets)
        events.deliver(world, day, done)
        placed = sales.sales(world, day, baskets, done.bought_at())
        self._next_order += len(placed.number)
        orders, lines = sales.order_rows(world, placed), sales.line_rows(world, placed)
        world.outbox.add("orders", orders, number)
        world.outbox.add("order_lines", lines, number)
        fate = fulfilment.fates(world, placed)
        fulfilment.follow(world, placed, fate, orders, lines)
        self._truth["line"].add(returns.follow(world, placed, fate))
        sold, wanted = (self._per_sku(wishes.sku, units) for units in (filled, wishes.wanted))
        world.stock.close(number, sold)
        self._tell(day, mean * demand.mean_quantity(world.parameters.demand), wanted, sold)

    def _per_sku(self, sku: Ints, units: Ints) -> Ints:
        return np.bincount(sku, weights=units, minlength=self._world.catalog.size).astype(np.int64)

    def _tell(self, day: Day, mean_units: Floats, wanted: Ints, sold: Ints) -> None:
        catalog = self._world.catalog
        listed = catalog.listed(day.number)
        on_hand = self._world.stock.on_hand[listed]
        self._truth["sku_day"].add(
            {
                "sku": text.picked(catalog.sku, listed),
                "sold_on": self._world.clock.dates(np.full(len(listed), day.number)),
                "true_demand_mean": mean_units[listed],
                "true_demand_units": wanted[listed],
                "true_lost_units": (wanted - sold)[listed],
                "sold_units": sold[listed],
                "closing_units": on_hand,
                "is_in_stock": on_hand > 0,
                "true_discount_pct": day.discount_percent[listed] / 100,
            }
        )

    def _deliver(self, day: Day) -> None:
        share, seed, ds = self._arguments.dirty, self._arguments.seed, day.on.isoformat()
        for feed in self._arguments.feeds:
            rng = stream(seed, Purpose.DIRT + list(FEEDS).index(feed), day.number)
            drop = dirt.spoil(rng, share, feed, ds, self._world.outbox.take(feed, day.number))
            self._truth["injected"].add(drop.injected)
            drops.write(drops.path(self._landing, feed, ds), feed, drop.table, drop.surplus)
            self.rows[feed] += len(drop.table)


def found(arguments: Arguments) -> World:
    """The world as it is before the first day."""
    own, seed, scale = Parameters(), arguments.seed, arguments.scale
    clock = Clock(arguments.first_day, arguments.days)
    catalog = Catalog(seed, scale, own, clock)
    customers = Customers(seed, scale, own.customers, clock)
    stock = Stock(seed, own.stock, catalog, demand.mean_quantity(own.demand))
    return World(seed, scale, own, clock, catalog, customers, stock, Outbox(arguments.feeds))


def _calendar_rows(day: Day) -> pa.Table:
    known = calendar.known_ahead(day.on)
    return text.rows(
        "calendar",
        {
            "date": text.words([special.isoformat() for special, _ in known]),
            "is_open": text.words([str(calendar.is_open(special)).lower() for special, _ in known]),
            "event": text.words([event for _, event in known]),
        },
    )
