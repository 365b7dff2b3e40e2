"""The truth about demand: what was wanted of every SKU, what was there, and what could have been expected."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.simulate import demand, text
from pipelines.simulate.carts import Carts
from pipelines.simulate.demand_belief import DemandBelief, Observed
from pipelines.simulate.forecast import EVERY_DAYS, forecast
from pipelines.simulate.promotions import Promotions
from pipelines.simulate.streams import Floats, Ints
from pipelines.simulate.trade import Trade
from pipelines.simulate.visits import HOURS
from pipelines.simulate.vocabulary import DEPARTMENTS
from pipelines.simulate.world import Day, World

# Of the share of units that come back for a cart: how much a day counts against the days before.
MEMORY = 0.05


class DemandTruth:
    """Lets a forecaster who knows the model watch the days go by, and asks every now and then for a forecast."""

    def __init__(self, world: World, promotions: Promotions, carts: Carts) -> None:
        self._world, self._promotions, self._carts = world, promotions, carts
        self._belief = DemandBelief(world.parameters.demand, world.catalog)
        self._returning_share = world.parameters.carts.return_rate

    def sku_day(self, day: Day, done: Trade, known: Floats, returning: Floats) -> dict[str, Any]:
        """The day's row of every SKU sold; the belief learns from it.

        `known` are the circumstances and dips, `returning` the units expected of carts left before.
        """
        world, comers, belief = self._world, done.comers, self._belief
        catalog, own = world.catalog, world.parameters.demand
        belief.open()
        discount, log_price = day.discount_percent / 100, catalog.log_price
        expected = belief.moved(log_price, discount) * known * belief.common_factor()
        true, knowable = (demand.units(catalog, own, wishes) for wishes in (day.wishes, expected))
        if true.any():
            self._returning_share += MEMORY * (done.left.expected_units / true.sum() - self._returning_share)
        length = world.clock.length(day.number)
        sold_at = comers.visits.start[comers.wanted.basket]
        sold_out = world.stock.sold_out_at(comers.wanted.sku, sold_at, comers.sold, length)
        honest = done.units_per_sku(comers.sold * ~comers.is_fraud, catalog.size)
        belief.learn(known, log_price, discount, returning, Observed(honest, _traffic_before(sold_out, length)))
        wanted, filled, fraudulent = (
            done.units_per_sku(units, catalog.size)
            for units in (comers.wanted.units, comers.sold, comers.wanted.units * comers.is_fraud)
        )
        on_hand, sold = world.stock.on_hand, np.flatnonzero(catalog.is_sold(day.number))
        columns = {
            "true_demand_mean": true + returning,
            "knowable_demand_mean": knowable + returning,
            "true_demand_units": wanted,
            "true_fraud_units": fraudulent,
            "true_lost_units": wanted - filled,
            "sold_units": filled,
            "closing_units": on_hand,
            "is_in_stock": on_hand > 0,
            "true_in_stock_share": sold_out / length,
            "true_discount_pct": discount,
        }
        return {
            "sku": text.picked(catalog.sku, sold),
            "sold_on": world.clock.dates(np.full(len(sold), day.number)),
            **{name: values[sold] for name, values in columns.items()},
        }

    def forecast(self, day: Day) -> dict[str, Any] | None:
        """The forecast of the evening, if it is one of those from which there is one."""
        if (day.number + 1) % EVERY_DAYS:
            return None
        return forecast(self._world, day.number, self._belief, self._promotions, self._carts, self._returning_share)


def shocks(world: World, day: Day, factor: Floats) -> dict[str, Any]:
    return {
        "day": world.clock.dates(np.full(len(factor), day.number)),
        "department": text.words([department.name for department in DEPARTMENTS]),
        "true_shock": factor,
    }


def _traffic_before(second: Ints, length: int) -> Floats:
    """The share of a day's visits that begin before that second."""
    reached = np.concatenate([[0.0], np.cumsum(HOURS)]) / sum(HOURS)
    share = np.interp(second / 3_600, np.arange(len(reached)), reached)
    return np.where(second >= length, 1.0, share)
