"""The store at work: one day after the other, each day's drops written before the next begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from pipelines.feeds import FEEDS
from pipelines.simulate import (
    calendar,
    clicks,
    demand,
    demand_truth,
    dirt,
    drops,
    events,
    fraud,
    fulfilment,
    identity,
    messages,
    returns,
    sales,
    text,
)
from pipelines.simulate.arguments import Arguments
from pipelines.simulate.cart_truth import CartTruth
from pipelines.simulate.carts import Carts
from pipelines.simulate.catalog import Catalog
from pipelines.simulate.clock import Clock
from pipelines.simulate.conversion import Conversion
from pipelines.simulate.customers import Customers
from pipelines.simulate.demand_truth import DemandTruth
from pipelines.simulate.outbox import Outbox
from pipelines.simulate.parameters import Parameters
from pipelines.simulate.promotions import Promotions
from pipelines.simulate.return_belief import ReturnBelief
from pipelines.simulate.sales import Sales
from pipelines.simulate.shocks import Shocks
from pipelines.simulate.stock import Stock
from pipelines.simulate.streams import Floats, Purpose, stream
from pipelines.simulate.trade import Trade, trade
from pipelines.simulate.truth import TruthTable
from pipelines.simulate.visits import Visits
from pipelines.simulate.world import Day, World

FIRST_ORDER_NUMBER = 100_001
TRUTH_TABLES = (
    "sku",
    "sku_day",
    "forecast",
    "shock",
    "line",
    "parcel",
    "customer",
    "identity",
    "session",
    "cart",
    "fraud",
    "injected",
)


class Store:
    """`rows` counts what has been delivered so far, by feed.

    A second thread writes each day's files while the next day is lived.
    """

    def __init__(self, landing: Path, truth: Path, arguments: Arguments) -> None:
        self._landing = landing
        self._arguments = arguments
        world = self._world = found(arguments)
        own, seed = world.parameters, arguments.seed
        self._promotions = Promotions(seed, own, world.catalog, world.clock)
        self._shocks = Shocks(seed, own.demand)
        self._carts, self._conversion = Carts(world), Conversion(world)
        self._demand_truth = DemandTruth(world, self._promotions, self._carts)
        self._return_belief = ReturnBelief(own.returns, world.catalog, world.customers.size)
        self._cart_truth, self._identity = CartTruth(world), identity.IdentityMap(world)
        self._next_order = FIRST_ORDER_NUMBER
        self._truth = {name: TruthTable(truth / f"{name}.parquet") for name in TRUTH_TABLES}
        self._truth["sku"].add(world.catalog.truth(world.clock))
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._being_written: list[Future[None]] = []
        self.rows: Counter[str] = Counter(dict.fromkeys(arguments.delivered, 0))

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.shutdown(cancel_futures=kind is not None)
        if kind is None:
            self._wait_for_files()
            for carts in self._cart_truth.rest():
                self._truth["cart"].add(carts)
            for table in self._truth.values():
                table.close()

    def live(self, number: int) -> None:
        """Let one day pass and deliver it. Days are lived in order from 0."""
        world = self._world
        world.catalog.advance(number)
        self._promotions.advance(number)
        self._shocks.advance(number)
        world.stock.open(number)
        world.customers.open(number)
        on, discount = world.clock.date(number), self._promotions.discount_percent(number)
        known = demand.circumstances(world, number, on) * self._promotions.dip(number)
        wishes = demand.wishes_mean(world, known, discount / 100, self._shocks.factor)
        day = Day(number, on, wishes, discount, world.catalog.price_pence)
        who, placed = self._trade(day, known)
        before = 0 if number == 0 else world.customers.size
        for feed, rows in (
            ("customers", world.customers.advance(number)),
            ("products", world.catalog.rows(number)),
            ("promotions", self._promotions.rows()),
            ("inventory", world.stock.rows(number)),
            ("calendar", _calendar_rows(day)),
        ):
            world.outbox.add(feed, rows, number)
        self._truth["customer"].add(world.customers.truth(before))
        signed_up = np.arange(before, world.customers.size)
        self._truth["identity"].add(self._identity.new(who, placed, signed_up))
        self._return_belief.learn(number, world.customers.size)
        self._deliver(day)

    def _trade(self, day: Day, known: Floats) -> tuple[Visits, Sales]:
        world, number = self._world, day.number
        returning = self._carts.expected(number - 1, 1)
        done = trade(world, day, self._carts, self._conversion, self._next_order)
        clicked = clicks.clicks(world, day, done)
        session = events.session_ids(world, day, done.visits.size)
        events.deliver(world, day, clicked, session)
        placed = sales.sales(day, done.comers, clicked.at(clicks.PURCHASE))
        self._next_order += len(placed.number)
        self._fulfil(placed)
        world.stock.close(number, done.units_per_sku(done.comers.sold, world.catalog.size))
        self._truth["sku_day"].add(self._demand_truth.sku_day(day, done, known, returning))
        self._truth["shock"].add(demand_truth.shocks(world, day, self._shocks.factor))
        if ahead := self._demand_truth.forecast(day):
            self._truth["forecast"].add(ahead)
        self._tell_visits(day, done, clicked, session, placed)
        members = placed.customer[~placed.is_guest]
        np.add.at(world.customers.traits.orders, members, 1)
        left_sessions = session[done.comers.visits.size :][: done.left.visits.size]
        world.outbox.add(messages.FEED, messages.rows(world, day, done.left, left_sessions), number + 1)
        return clicked.visits, placed

    def _fulfil(self, placed: Sales) -> None:
        world = self._world
        orders, lines = sales.order_rows(world, placed), sales.line_rows(world, placed)
        world.outbox.add("orders", orders, placed.day)
        world.outbox.add("order_lines", lines, placed.day)
        fate = fulfilment.fates(world, placed)
        fulfilment.follow(world, placed, fate, orders, lines)
        self._truth["line"].add(returns.follow(world, placed, fate, self._return_belief))
        self._truth["parcel"].add(fulfilment.truth(world, placed, fate))

    def _tell_visits(self, day: Day, done: Trade, clicked: clicks.Clicks, session: pa.Array, placed: Sales) -> None:
        world = self._world
        self._truth["session"].add(identity.sessions(world, clicked, session))
        self._cart_truth.add(day, done, clicked, session)
        for carts in self._cart_truth.known(day.number):
            self._truth["cart"].add(carts)
        self._truth["fraud"].add(fraud.truth(done.comers.visits.chosen(placed.visit), placed.order_id))

    def _deliver(self, day: Day) -> None:
        own, ds = self._arguments, day.on.isoformat()
        self._wait_for_files()
        left = dirt.shares_left(stream(own.seed, Purpose.FILE_CUTS, day.number), own.dirty)
        for feed in own.delivered:
            rng = stream(own.seed, Purpose.DIRT + list(FEEDS).index(feed), day.number)
            rows = self._world.outbox.take(feed, day.number)
            drop = dirt.spoil(rng, own.dirty, feed, ds, rows, own.format, left[feed])
            self._truth["injected"].add(drop.injected)
            self._write(drops.write, drops.path(self._landing, feed, ds, own.format), feed, drop, own.format)
            self.rows[feed] += drop.rows

    def _write(self, work: Callable[..., None], *arguments: object) -> None:
        self._being_written.append(self._writer.submit(work, *arguments))

    def _wait_for_files(self) -> None:
        for file in self._being_written:
            file.result()
        self._being_written.clear()


def found(arguments: Arguments) -> World:
    """The world as it is before the first day."""
    own, seed, scale = Parameters(), arguments.seed, arguments.scale
    clock = Clock(arguments.first_day, arguments.days)
    catalog = Catalog(seed, scale, own, clock)
    customers = Customers(seed, scale, own, clock)
    stock = Stock(seed, own.stock, catalog, demand.mean_quantity(own.demand))
    outbox = Outbox(arguments.feeds)
    return World(seed, scale, arguments.currencies, own, clock, catalog, customers, stock, outbox)


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
