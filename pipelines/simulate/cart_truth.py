"""The truth about carts, each written when it is known what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.carts import GROUPS
from pipelines.simulate.clicks import ADD_TO_CART, Clicks
from pipelines.simulate.demand import Baskets
from pipelines.simulate.events import visitor_ids
from pipelines.simulate.sales import order_id
from pipelines.simulate.streams import Bools, Ints
from pipelines.simulate.trade import Trade
from pipelines.simulate.visits import Visits
from pipelines.simulate.vocabulary import DEPARTMENTS
from pipelines.simulate.world import Day, World

DAYS_OPEN = 9  # a week, the day itself, and a day on which the shop may be closed


class CartTruth:
    """Holds the carts of the last days until their owners have come back, or not."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: dict[int, dict[str, Any]] = {}
        self._orders: dict[int, Ints] = {}

    def add(self, day: Day, done: Trade, clicked: Clicks, session: pa.Array) -> None:
        """Take in a day's carts, and the orders of those who came back for earlier ones."""
        comers = done.comers
        for left_on in np.unique(comers.left_on[comers.left_on >= 0]).tolist():
            here = comers.left_on == left_on
            self._orders[left_on][comers.cart[here]] = comers.order[here]
        self._waiting[day.number] = self._columns(day, done, clicked, session)
        self._orders[day.number] = np.zeros(done.left.visits.size, dtype=np.int64)

    def known(self, day: int) -> Iterator[dict[str, Any]]:
        """The carts whose time is over on the evening of `day`."""
        for number in [number for number in self._waiting if number <= day - DAYS_OPEN]:
            yield self._finished(number)

    def rest(self) -> Iterator[dict[str, Any]]:
        """The carts still open when the history ends, as they stand."""
        for number in list(self._waiting):
            yield self._finished(number)

    def _finished(self, number: int) -> dict[str, Any]:
        columns, later = self._waiting.pop(number), self._orders.pop(number)
        bought = len(columns["cart_id"]) - len(later)
        order = np.concatenate([columns.pop("order"), later])
        return {
            **columns,
            "order_id": text.only(order_id(order), order > 0),
            "is_purchased": np.concatenate([np.ones(bought, dtype=bool), later > 0]),
        }

    def _columns(self, day: Day, done: Trade, clicked: Clicks, session: pa.Array) -> dict[str, Any]:
        left, bought = done.left, done.bought
        who = done.comers.visits.chosen(bought)
        visit = np.concatenate([bought, done.comers.visits.size + np.arange(left.visits.size)])
        is_left = np.arange(len(visit)) >= len(bought)
        nothing = np.zeros(len(bought))
        group = np.concatenate([np.full(len(bought), -1), left.group])
        first = np.concatenate([done.chances.first, left.chances.first])
        whole = np.concatenate([done.chances.whole, left.chances.whole])
        again = 1 + self._world.parameters.carts.return_rate
        back_on = np.concatenate([np.full(len(bought), -1), left.back_on])
        return {
            "cart_id": text.picked(session, visit),
            "started_at": pa.array(clicked.at(ADD_TO_CART)[visit], pa.timestamp("s")),
            "last_action_at": pa.array(clicked.last()[visit], pa.timestamp("s")),
            **_people(self._world, who, left.visits),
            "is_known": np.concatenate([who.is_member, left.is_known]),
            **_contents(self._world, day, done.comers.carts.chosen(bought), left.carts),
            "state": text.chosen(["purchased", "abandoned"], is_left.astype(np.int64)),
            "is_checked_out": np.concatenate([np.ones(len(bought), dtype=bool), left.is_checked_out]),
            "segment": text.only(_segments(self._world, len(bought), left.segment), is_left),
            "experiment_group": text.only(text.chosen(GROUPS, np.maximum(group, 0)), group >= 0),
            "propensity": _only(np.full(len(visit), self._world.parameters.carts.treatment_share), group >= 0),
            "knowable_purchase_probability_added": again * first,
            "knowable_purchase_probability_carted": again * whole,
            "knowable_purchase_probability_idle": _only(np.concatenate([nothing, left.chance * left.shelf]), is_left),
            "knowable_message_effect": _only(np.concatenate([nothing, left.effect * left.shelf]), is_left),
            "true_returned_on": pa.array(self._world.clock.dates(back_on), mask=back_on < 0),
            "order": done.comers.order[bought],
        }


def _only(values: np.ndarray[Any, Any], present: Bools) -> pa.Array:
    return pa.array(values, mask=~present)


def _segments(world: World, bought: int, segment: Ints) -> pa.Array:
    names = [name for name, _, _ in world.parameters.carts.segments]
    return text.chosen(names, np.concatenate([np.zeros(bought, dtype=np.int64), segment]))


def _people(world: World, who: Visits, left: Visits) -> dict[str, pa.Array]:
    customer = np.concatenate([who.customer, left.customer])
    return {
        "visitor_id": visitor_ids(np.concatenate([who.visitor, left.visitor])),
        "true_customer_id": text.only(world.customers.customer_id(np.maximum(customer, 0)), customer >= 0),
    }


def _contents(world: World, day: Day, bought: Baskets, left: Baskets) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {"department": [], "items": [], "units": [], "cart_value": []}
    for carts in (bought, left):
        worth = day.shown_pence[carts.sku] * carts.units
        columns["department"].append(world.catalog.department[carts.sku[carts.first]])
        columns["items"].append(np.bincount(carts.basket, minlength=carts.size))
        columns["units"].append(np.bincount(carts.basket, weights=carts.units, minlength=carts.size).astype(int))
        columns["cart_value"].append(np.bincount(carts.basket, weights=worth, minlength=carts.size) / 100)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return {**joined, "department": text.chosen([d.name for d in DEPARTMENTS], joined["department"])}
