"""What to order: the distribution of demand until the next order could arrive, against what a unit too many or too few
costs.

Stock is reviewed every `review_days`; what is ordered arrives a lead time later. So stock on hand and on order has to
last for lead time and review together, and falls short with the probability that the service level allows: the critical
ratio of the cost of a unit missing to that and the cost of a unit too many for one review (the newsvendor, Silver, Pyke
and Thomas 2017, Inventory and Production Management in Supply Chains, 7). An order is at least the economic quantity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand import reasons
from models.demand.counts import Counts
from models.demand.forecast import Forecast
from models.demand.sums import DAYS_OF_A_SKU, Parts, members
from models.demand.supply import Supply, supply_of

Floats = NDArray[np.float64]

YEAR_DAYS = 365.0
# Beyond lead time and review, more than what a quarter may need at most is too much.
OVERSTOCK_DAYS = 91
SERVICE_BOUNDS = (0.5, 0.995)
_PATTERN_DAYS = 28
ORDER, NONE, REDUCE, CLEAR = "order", "none", "reduce", "clear"


@dataclass(frozen=True)
class Orders:
    """One row a series; NaN where a feed that it needs is missing."""

    supply: Supply
    lead: Counts
    cover: Counts
    long: Counts
    per_day: Floats
    service: Floats
    reorder_point: Floats
    economic: Floats

    @property
    def position(self) -> Floats:
        return self.supply.units_on_hand + np.nan_to_num(self.supply.units_on_order)

    @property
    def lead_and_review(self) -> Floats:
        """Days until an order of the next review is here."""
        return np.round(self.supply.lead_days) + np.maximum(np.round(self.supply.review_days), 1)

    @property
    def quantity(self) -> Floats:
        """What to order now: up to the reorder point and the economic quantity beyond the next review's demand."""
        own = self.supply
        beyond = np.maximum(self.economic - self.per_day * own.review_days, 0.0)
        wanted = np.where(self.position < self.reorder_point, self.reorder_point + beyond - self.position, 0.0)
        least = np.where(wanted > 0, np.fmax(wanted, own.min_order_quantity), 0.0)
        pack = np.where(own.pack_size > 0, own.pack_size, 1.0)
        ordered = np.ceil(np.round(least / pack, 9)) * pack
        return np.where(np.isnan(own.units_on_hand), np.nan, ordered)

    @property
    def action(self) -> NDArray[np.object_]:
        has_stock = self.supply.units_on_hand > 0
        choices = [
            (has_stock & (self.long.mean <= 0), CLEAR),
            (self.quantity > 0, ORDER),
            (self.supply.units_on_hand > np.maximum(self.long.quantile(0.9), 1.0), REDUCE),
        ]
        return np.select([holds for holds, _ in choices], [name for _, name in choices], NONE).astype(object)


def decide(mean: Floats, parts: Parts, correlation: float, supply: Supply) -> Orders:
    """Orders for daily means (series, day) and their parts; spans beyond the days forecast repeat the last weeks."""
    lead, review = np.maximum(np.round(supply.lead_days), 0), np.maximum(np.round(supply.review_days), 1)
    days = [np.nan_to_num(each).astype(np.int64) for each in (lead, lead + review, lead + review + OVERSTOCK_DAYS)]
    longest = int(days[-1].max(initial=1))
    totals = {name: _total(_extended(getattr(parts, name), longest)) for name in ("mean", "apart", "common")}

    def counts(days: NDArray[np.int64]) -> Counts:
        at = np.arange(len(days))
        return Parts(*(totals[name][at, days] for name in ("mean", "apart", "common"))).counts(correlation)

    per_day = _extended(mean, _PATTERN_DAYS)[:, :_PATTERN_DAYS].mean(axis=1)
    until_here, cover, long = map(counts, days)
    economic = _economic(per_day, supply)
    service = _service(supply, review)
    reorder_point = cover.quantile(service)
    filled = ~np.isnan(supply.fill_pct)
    if filled.any():
        by_fill = _for_fill(cover, np.fmax(economic, per_day * review), supply.fill_pct)
        service, reorder_point = np.where(filled, by_fill[0], service), np.where(filled, by_fill[1], reorder_point)
    return Orders(supply, until_here, cover, long, per_day, service, reorder_point, economic)


def orders(said: Forecast) -> pd.DataFrame:
    """The table `replenishment` of a night; without `feat_sku_supply` it is empty."""
    frame = said.panel.supply
    if frame is None:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _TYPES.items()})
    supply, currency = supply_of(frame, said.panel, said.last)
    shape = said.mean.shape
    parts = members(said.mean.reshape(-1), said.model.dispersion)
    by_day = Parts(*(getattr(parts, name).reshape(shape) for name in ("mean", "apart", "common")))
    found = decide(said.mean, by_day, said.model.correlations[DAYS_OF_A_SKU], supply)
    keys = said.panel.keys.iloc[said.panel.series[said.last]]
    return _table(found, said.days).assign(
        sku=keys["sku"].to_numpy(), location_id=keys["location_id"].to_numpy(), currency=currency
    )[list(_TYPES)]


def _table(found: Orders, horizon_days: int) -> pd.DataFrame:
    supply, is_unknown = found.supply, np.isnan(found.position)
    short = found.cover.shortage(np.nan_to_num(found.position))
    quantity, action = found.quantity, found.action
    return pd.DataFrame(
        {
            "on_hand": supply.units_on_hand,
            "on_order": supply.units_on_order,
            "lead_time_days": supply.lead_days,
            "lead_time_units_mean": found.lead.mean,
            "lead_time_units_p90": found.lead.quantile(0.9),
            "service_pct": found.service,
            "safety_stock": np.maximum(found.reorder_point - found.cover.mean, 0.0),
            "reorder_point": found.reorder_point,
            "order_quantity": quantity,
            "stockout_probability": np.where(is_unknown, np.nan, found.cover.exceeds(np.nan_to_num(found.position))),
            "expected_margin_at_risk": np.where(is_unknown, np.nan, short * supply.margin),
            "recommended_action": action,
            "reason": reasons.of_orders(found, quantity, action, horizon_days),
        }
    )


_TYPES = {
    "sku": "object",
    "location_id": "object",
    "on_hand": "float64",
    "on_order": "float64",
    "lead_time_days": "float64",
    "lead_time_units_mean": "float64",
    "lead_time_units_p90": "float64",
    "service_pct": "float64",
    "safety_stock": "float64",
    "reorder_point": "float64",
    "order_quantity": "float64",
    "stockout_probability": "float64",
    "expected_margin_at_risk": "float64",
    "currency": "object",
    "recommended_action": "object",
    "reason": "object",
}


def _service(supply: Supply, review: Floats) -> Floats:
    """The critical ratio, within bounds; the policy's own level where it cannot be known."""
    missing = supply.margin * supply.stockout_cost_pct
    too_many = supply.unit_cost * supply.holding_cost_pct * review / YEAR_DAYS
    total = missing + too_many
    ratio = np.divide(missing, total, out=np.full(len(total), np.nan), where=total > 0)
    return np.where(np.isnan(ratio), supply.service_pct, np.clip(ratio, *SERVICE_BOUNDS))


def _economic(per_day: Floats, supply: Supply) -> Floats:
    """Wilson's order quantity: sqrt(2 K D / h); 0 where the cost of holding a unit is unknown."""
    holding = supply.unit_cost * supply.holding_cost_pct
    square = 2 * supply.order_cost * per_day * YEAR_DAYS
    return np.sqrt(np.divide(square, holding, out=np.zeros_like(per_day), where=holding > 0))


def _for_fill(cover: Counts, cycle: Floats, fill: Floats) -> tuple[Floats, Floats]:
    """The smallest reorder point at which the shortage of a cycle leaves the fill rate, and its service level."""
    # Too little, and enough.
    low, high = np.full(len(cycle), -1.0), cover.quantile(SERVICE_BOUNDS[1])
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        is_enough = cover.shortage(middle) <= (1 - fill) * cycle
        low, high = np.where(is_enough, low, middle), np.where(is_enough, middle, high)
    point = np.maximum(high, 0.0)
    return 1 - cover.exceeds(point), point


def _extended(daily: Floats, days: int) -> Floats:
    """So many days: those forecast, then their last four weeks again and again."""
    known = daily.shape[1]
    if days <= known:
        return daily[:, :days]
    pattern = daily[:, -min(_PATTERN_DAYS, known) :]
    more = np.arange(days - known) % pattern.shape[1]
    return np.concatenate([daily, pattern[:, more]], axis=1)


def _total(daily: Floats) -> Floats:
    """Sums of the first 0, 1, 2, ... days."""
    return np.concatenate([np.zeros((len(daily), 1)), np.cumsum(daily, axis=1)], axis=1)


def with_stock(supply: Supply, on_hand: Floats, on_order: Floats) -> Supply:
    """The same goods with another stock."""
    return replace(supply, units_on_hand=on_hand, units_on_order=on_order)
