"""How the store goes about abandoned carts: what a message costs, how often one may be sent, how many are held out."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Cost = Annotated[float, Field(ge=0)]


class CartRecovery(BaseModel):
    """Money in the store's currency, shares of 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nights: Annotated[int, Field(ge=1, le=7, description="nights on which a cart left behind is listed")] = 2
    message_cost: Annotated[Cost, Field(description="of one message")] = 0.10
    discount_pct: Annotated[Share, Field(description="that the message offers, of what is then bought")] = 0.0
    usual_margin_pct: Annotated[Share, Field(description="of the price, where the catalog has no cost")] = 0.4
    assumed_effect: Annotated[
        float, Field(ge=0, le=3, description="on the log-odds of buying, until an experiment tells")
    ] = 0.3
    quiet_days: Annotated[int, Field(ge=0, le=90, description="without another message to the same person")] = 7
    most_in_30_days: Annotated[int, Field(ge=1, description="messages to one person")] = 3
    most_in_a_night: Annotated[int | None, Field(ge=1, description="messages in all; the best come first")] = None
    holdout_pct: Annotated[float, Field(ge=0, lt=1, description="of the carts worth a message that get none")] = 0.1
    salt: Annotated[str, Field(pattern=r"^\w{1,40}$", description="another one draws another holdout")] = "carts"
    free_shipping_amount: Annotated[Cost | None, Field(description="from which value on shipping is free")] = None

    def variable(self) -> dict[str, Any]:
        """As dbt takes it."""
        return self.model_dump(mode="json")
