"""The best forecast there could be: `knowable_demand_mean` for the weeks after an evening.

Beyond what `demand_belief` knows it takes the expectation over what has not happened yet: list prices that
change, promotions not yet announced, shocks that fade, carts yet to be left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.simulate import calendar, demand, text
from pipelines.simulate.calendar import MONDAY
from pipelines.simulate.carts import Carts
from pipelines.simulate.demand_belief import DemandBelief
from pipelines.simulate.parameters import DemandParameters, PromotionParameters
from pipelines.simulate.promotions import Promotions, dip
from pipelines.simulate.streams import Floats
from pipelines.simulate.world import World

HORIZON_DAYS = 28
# One evening in so many is forecast from: every other one would multiply the truth without telling more.
EVERY_DAYS = 28
DIP_DAYS = 30


class Unannounced:
    """By days since a Monday: the chance that its campaign runs, and the dip it has left, per unit of discount."""

    def __init__(self, parameters: PromotionParameters, demand_parameters: DemandParameters) -> None:
        first, last = parameters.announced_days
        shortest, longest = parameters.length_days
        size = last + longest + DIP_DAYS
        self.runs, self.dips = np.zeros(size), np.zeros(size)
        cases = [(start, start + length) for start in range(first, last + 1) for length in range(shortest, longest + 1)]
        for start, stop in cases:
            self.runs[start:stop] += 1 / len(cases)
            since = np.arange(1, DIP_DAYS)
            self.dips[stop : stop + DIP_DAYS - 1] += dip(demand_parameters, np.ones(len(since)), since) / len(cases)

    def factor(self, belief: DemandBelief, parameters: PromotionParameters, ages: list[int]) -> Floats | float:
        """What campaigns of Mondays so many days ago are expected to do to a SKU that may be in them."""
        runs = sum(float(self.runs[age]) for age in ages)
        dips = sum(float(self.dips[age]) for age in ages)
        if runs == dips == 0:
            return 1.0
        percents = parameters.discounts_percent
        gain = sum(runs * (belief.lift(percent / 100) - 1) - dips * percent / 100 for percent in percents)
        return 1 + parameters.sku_share * gain / len(percents)


def forecast(
    world: World, day: int, belief: DemandBelief, promotions: Promotions, carts: Carts, returning_share: float
) -> dict[str, Any]:
    """Expected units of every SKU sold on the evening of `day` for each of the next days.

    `returning_share`: units that come back for a cart, per unit bought at once.
    """
    own, catalog = world.parameters, world.catalog
    unannounced = Unannounced(own.promotions, own.demand)
    skus = np.flatnonzero(catalog.is_sold(day))
    direct: list[Floats] = []
    total, waiting = np.empty((HORIZON_DAYS, catalog.size)), np.zeros(catalog.size)
    days = own.carts.return_days
    for ahead, (percent, dip_factor) in enumerate(promotions.ahead(day, HORIZON_DAYS), start=1):
        on = world.clock.date(day + ahead)
        mean = _moved(world, belief, ahead, percent / 100) * demand.circumstances(world, day + ahead, on) * dip_factor
        mondays = [age for age in range(ahead) if world.clock.date(day + ahead - age).weekday() == MONDAY]
        is_taken = (percent > 0) | catalog.is_phased_out(day + ahead)
        mean = mean * np.where(is_taken, 1.0, unannounced.factor(belief, own.promotions, mondays))
        units = demand.units(catalog, own.demand, mean * belief.common_factor(ahead))
        direct.append(units)
        later = sum(days[after - 1] / sum(days) * direct[ahead - 1 - after] for after in range(1, min(ahead, 8)))
        # Who would come back on a closed day comes the day after.
        waiting = waiting + later
        is_open = calendar.is_open(on)
        total[ahead - 1] = units + carts.expected(day, ahead) + returning_share * waiting * is_open
        waiting = waiting * (not is_open)
    return {
        "as_of": world.clock.dates(np.full(HORIZON_DAYS * len(skus), day)),
        "sku": text.picked(catalog.sku, np.tile(skus, HORIZON_DAYS)),
        "forecast_date": world.clock.dates(np.repeat(day + 1 + np.arange(HORIZON_DAYS), len(skus))),
        "knowable_demand_mean": total[:, skus].ravel(),
    }


def _moved(world: World, belief: DemandBelief, ahead: int, discount: Floats) -> Floats:
    """With the list price of tonight if it still holds, else with what a new one is expected to do."""
    own, catalog = world.parameters.catalog, world.catalog
    holds = (1 - own.price_change_daily) ** ahead
    usual = np.zeros(catalog.size)
    new = belief.moved(usual, discount) * np.exp(own.price_change_sigma**2 * belief.elasticity_squared() / 2)
    return np.asarray(holds * belief.moved(catalog.log_price, discount) + (1 - holds) * new)
