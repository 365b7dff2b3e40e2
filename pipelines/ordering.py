"""What the store's orders weigh: settings for all goods, and others for single categories."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]
Cost = Annotated[float, Field(ge=0)]


class CategoryOrdering(BaseModel):
    """Figures of one category, those below it included; what it does not name holds as for all goods."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: Annotated[str, Field(min_length=1, description="its path, as `Clothing > Shirts`")]
    review_days: Annotated[int | None, Field(ge=1, le=90)] = None
    usual_lead_time_days: Annotated[int | None, Field(ge=0, le=365)] = None
    holding_cost_pct: Cost | None = None
    stockout_cost_pct: Cost | None = None
    order_cost: Cost | None = None
    service_pct: Share | None = None
    fill_pct: Share | None = None


class Ordering(BaseModel):
    """Costs in the store's currency, shares of 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    review_days: Annotated[int, Field(ge=1, le=90, description="days from one review of the stock to the next")] = 7
    usual_lead_time_days: Annotated[int, Field(ge=0, le=365, description="where the catalog has none")] = 14
    holding_cost_pct: Annotated[Cost, Field(description="of a unit's cost, to hold it for a year")] = 0.25
    stockout_cost_pct: Annotated[Cost, Field(description="of the margin, for a unit not sold for want of stock")] = 1.0
    order_cost: Annotated[Cost, Field(description="of an order of one SKU, whatever its size")] = 5.0
    service_pct: Annotated[Share, Field(description="where cost or price are unknown")] = 0.95
    fill_pct: Annotated[Share | None, Field(description="share of demand to be met; without it costs decide")] = None
    categories: Annotated[tuple[CategoryOrdering, ...], Field(description="figures of single categories")] = ()

    def variable(self) -> dict[str, Any]:
        """As dbt takes it."""
        return self.model_dump(mode="json")
