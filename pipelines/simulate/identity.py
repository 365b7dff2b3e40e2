"""Who is behind a visit, a visitor id and an e-mail address."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.clicks import STATES, Clicks
from pipelines.simulate.events import visitor_ids
from pipelines.simulate.sales import Sales, emails
from pipelines.simulate.streams import Ints
from pipelines.simulate.visits import Kind, Visits
from pipelines.simulate.world import World


def sessions(world: World, clicked: Clicks, session: pa.Array) -> dict[str, Any]:
    """The truth about a day's visits; nobody has the customer id of a stranger or of a bot."""
    who = clicked.visits
    customer = np.maximum(who.customer, 0)
    return {
        "session_id": session,
        "visitor_id": visitor_ids(who.visitor),
        "true_customer_id": text.only(world.customers.customer_id(customer), who.customer >= 0),
        "started_at": pa.array(clicked.at(0), pa.timestamp("s")),
        "events": np.bincount(clicked.visit, minlength=who.size),
        "state": text.chosen(STATES, clicked.state()),
        "is_bot": who.kind == Kind.BOT,
    }


class IdentityMap:
    """Each visitor id and e-mail address of every customer once, on the day it first comes up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cookies = np.empty((0, len(world.parameters.visits.devices)), dtype=np.int64)

    def new(self, who: Visits, placed: Sales, signed_up: Ints) -> dict[str, Any]:
        """Those of a day's visits, orders and sign-ups."""
        grown = self._world.customers.size - len(self._cookies)
        self._cookies = np.pad(self._cookies, ((0, grown), (0, 0)), constant_values=-1)
        visitor, owner = self._new_cookies(who)
        address, writer = self._new_addresses(placed, signed_up)
        return {
            "id_type": text.chosen(["visitor_id", "email"], np.repeat([0, 1], [len(owner), len(writer)])),
            "id": pa.concat_arrays([visitor_ids(visitor), address]),
            "true_customer_id": self._world.customers.customer_id(np.concatenate([owner, writer])),
        }

    def _new_cookies(self, who: Visits) -> tuple[Ints, Ints]:
        known = np.flatnonzero(who.customer >= 0)
        is_new = self._cookies[who.customer[known], who.device[known]] != who.visitor[known]
        visitor, first = np.unique(who.visitor[known][is_new], return_index=True)
        customer, device = who.customer[known][is_new][first], who.device[known][is_new][first]
        self._cookies[customer, device] = visitor
        return visitor, customer

    def _new_addresses(self, placed: Sales, signed_up: Ints) -> tuple[pa.Array, Ints]:
        customers = self._world.customers
        given, for_once = emails(self._world, placed)
        once = np.flatnonzero(for_once & (placed.customer >= 0))
        second = signed_up[customers.traits.has_second_email[signed_up]]
        parts = [customers.email(signed_up), customers.second_email(second), text.picked(given, once)]
        return pa.concat_arrays(parts), np.concatenate([signed_up, second, placed.customer[once]])
