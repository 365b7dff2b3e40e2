"""Why an order is recommended, or none, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.demand.replenishment import Orders

Floats = NDArray[np.float64]


def of_orders(found: Orders, quantity: Floats, action: NDArray[np.object_], horizon_days: int) -> list[str]:
    """One text a row."""
    rows = pd.DataFrame(
        {
            "action": action,
            "position": found.position,
            "expected": found.cover.mean,
            "days": found.lead_and_review,
            "reorder_point": found.reorder_point,
            "quantity": quantity,
            "per_day": found.per_day,
            "is_without_margin": np.isnan(found.supply.margin),
            "is_usual_lead": np.isnan(found.supply.lead_time_days),
        }
    )
    return ["; ".join([_text(row), *_notes(row, horizon_days)]) for row in rows.itertuples()]


def _text(row: Any) -> str:
    expected = f"{_units(row.expected)} expected in the {row.days:.0f} days until the next order could be here"
    if np.isnan(row.position):
        return f"no stock is counted, so no order is worked out; {expected}"
    has = f"{_units(row.position)} in stock and on order"
    if row.action == "clear":
        return f"{has} and no demand expected: sell off or send back"
    if row.action == "order":
        return f"{has}, {expected}; below the reorder point of {row.reorder_point:.0f}, so order {row.quantity:g}"
    if row.action == "reduce":
        return f"{has} last about {row.position / max(row.per_day, 1e-9):.0f} days: order none, promote"
    return f"{has}, {expected}; the reorder point is {row.reorder_point:.0f}"


def _notes(row: Any, horizon_days: int) -> list[str]:
    said = [
        (row.is_without_margin, "cost or price is unknown, so the usual service level holds"),
        (row.is_usual_lead, "lead time is unknown, so the usual one holds"),
        (row.days > horizon_days, f"beyond {horizon_days} days the last weeks are repeated"),
    ]
    return [text for holds, text in said if holds]


def _units(number: float) -> str:
    rounded = round(number, 1)
    return "1 unit" if rounded == 1 else f"{rounded:g} units"
