"""What an order needs to know beside demand: stock, lead time, packs, cost, and what the store's policy weighs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand.panel import Panel

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Supply:
    """One row a series, numbers NaN where unknown.

    `units_on_order` counts open orders. `net_unit_price` is what a unit brings after discounts and tax. Shares:
    `holding_cost_pct` of the unit cost a year, `stockout_cost_pct` of the margin for a unit not sold; `service_pct`
    holds where cost or price are unknown. Where `fill_pct` is set, that share of demand is to be met instead.
    """

    units_on_hand: Floats
    units_on_order: Floats
    lead_time_days: Floats
    pack_size: Floats
    min_order_quantity: Floats
    unit_cost: Floats
    net_unit_price: Floats
    review_days: Floats
    usual_lead_time_days: Floats
    holding_cost_pct: Floats
    stockout_cost_pct: Floats
    order_cost: Floats
    service_pct: Floats
    fill_pct: Floats

    @property
    def margin(self) -> Floats:
        """Of a unit; NaN where cost or price is unknown, never below 0."""
        return np.maximum(self.net_unit_price - self.unit_cost, 0.0)

    @property
    def lead_days(self) -> Floats:
        """The lead time, the store's usual one where the catalog has none."""
        return np.where(np.isnan(self.lead_time_days), self.usual_lead_time_days, self.lead_time_days)


NUMBERS = tuple(field.name for field in fields(Supply))


def supply_of(frame: pd.DataFrame, panel: Panel, rows: NDArray[np.int64]) -> tuple[Supply, NDArray[np.object_]]:
    """`feat_sku_supply` for the series of the panel's `rows`, in their order, and the currency of its money."""
    missing = [name for name in ("sku", "location_id", "currency", *NUMBERS) if name not in frame.columns]
    if missing:
        raise ValueError(f"feat_sku_supply lacks {', '.join(missing)}")
    keys = panel.keys.iloc[panel.series[rows]].reset_index(drop=True)
    taken = frame[["sku", "location_id", "currency", *NUMBERS]].copy()
    for name in ("sku", "location_id", "currency"):
        taken[name] = taken[name].astype(object)
    joined = keys.merge(taken, on=["sku", "location_id"], how="left", validate="one_to_one")
    numbers = {
        name: np.asarray(joined[name].astype("float64").to_numpy(na_value=np.nan), np.float64) for name in NUMBERS
    }
    return Supply(**numbers), joined["currency"].to_numpy(dtype=object)
