"""The matrix that trees and regression read: one row a cart at a decision, every column known at that moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import models.inputs
from models.abandonment.carts import CATEGORIES, NUMBERS, Carts
from models.tables import Integers

# Feature and the subject that its reason speaks of.
GROUPS: Mapping[str, str] = {
    "nights_count": "age",
    "idle_hours": "age",
    "sku_count": "contents",
    "cart_units": "contents",
    "cart_amount": "value",
    "store_to_free_shipping_amount": "shipping",
    "lead_unit_price": "price",
    "lead_price_to_usual_pct": "price",
    "lead_price_to_first_pct": "price",
    "lead_discount_pct": "discount",
    "lead_units_on_hand": "stock",
    "most_units_on_hand": "stock",
    "in_stock_pct": "stock",
    "has_checkout": "checkout",
    "removed_count": "contents",
    "is_logged_in": "customer",
    "is_known": "customer",
    "earlier_order_count": "customer",
    "login_orders": "customer",
    "order_recency_days": "recency",
    "past_cart_count": "visits",
    "visit_hour": "moment",
    "iso_weekday": "moment",
    "view_count": "path",
    "search_count": "path",
    "visit_seconds": "path",
    "device": "device",
    "traffic_source": "source",
    "category_1": "category",
}
FEATURES = tuple(GROUPS)
# More of these never makes a purchase less likely; more of those at -1 never more likely.
MONOTONE = {"has_checkout": 1, "login_orders": 1, "lead_price_to_usual_pct": -1, "lead_price_to_first_pct": -1}
RAW = ("moment", *NUMBERS, *CATEGORIES)
_MOST_ORDERS = 9


class Inputs(models.inputs.Inputs):
    """Columns of `RAW` by name."""

    @classmethod
    def of_rows(cls, carts: Carts, index: Integers) -> Inputs:
        def text(name: str) -> NDArray[Any]:
            values = carts.moment if name == "moment" else carts.frame[name].to_numpy(object)
            return np.asarray(values[index], object)

        return cls(len(index), lambda name: carts.numbers(name)[index], text)


def raw_frame(inputs: Inputs) -> pd.DataFrame:
    """The columns of `RAW`: what a model is asked with."""
    return pd.DataFrame({name: inputs.column(name) if name in NUMBERS else inputs.text(name) for name in RAW})


def matrix(inputs: Inputs, categories: Mapping[str, tuple[str, ...]]) -> NDArray[np.float32]:
    """Shape (rows, features), in the order of `FEATURES`; NaN where unknown."""
    made = np.empty((inputs.size, len(FEATURES)), np.float32, order="F")
    for place, name in enumerate(FEATURES):
        if name in CATEGORIES:
            made[:, place] = inputs.coded(name, categories)
        elif name == "login_orders":
            orders = np.minimum(np.nan_to_num(inputs.column("earlier_order_count")), _MOST_ORDERS)
            made[:, place] = np.log1p(orders) * inputs.column("is_logged_in")
        else:
            made[:, place] = inputs.column(name)
    return made
