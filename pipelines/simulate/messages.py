"""The log of the store's e-mail tool: who was written to about last night's abandoned carts, and who was held out.

It is delivered the next morning, one file a day with the carts left the day before.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.carts import GROUPS, Left
from pipelines.simulate.events import visitor_ids
from pipelines.simulate.world import Day, World

FEED = "cart_messages"
ASSIGNED_AT, SENT_AT = 2 / 24, 9 / 24  # as shares of the next day


def rows(world: World, day: Day, left: Left, session: pa.Array) -> pa.Table:
    """A row for each of the day's carts in the experiment; `session` has the ids of the abandoned carts' visits."""
    chosen = np.flatnonzero(left.group >= 0)
    who, group = left.visits.chosen(chosen), left.group[chosen]
    next_day, size = np.full(len(chosen), day.number + 1), len(chosen)
    assigned, sent = (
        text.instants(world.clock.within(next_day, np.full(size, share))) for share in (ASSIGNED_AT, SENT_AT)
    )
    return text.rows(
        FEED,
        {
            "cart_id": text.picked(session, chosen),
            "visitor_id": visitor_ids(who.visitor),
            "customer_id": world.customers.customer_id(who.customer),
            "assigned_at": assigned,
            "experiment_group": text.chosen(GROUPS, group),
            "propensity": text.constant(str(world.parameters.carts.treatment_share), size),
            "sent_at": text.only(sent, group == 1),
        },
    )
