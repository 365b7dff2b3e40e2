"""Invented carts: what a served model shows as the form of its input."""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd

from models.abandonment.carts import CATEGORIES, COLUMNS, IDLE, NIGHT, NUMBERS, Carts

SIZE = 2


def tables() -> dict[str, pd.DataFrame]:
    """Feature tables of one cart, half an hour after its last action and at night, neither bought nor written about."""
    cart: dict[str, object] = {
        "cart_key": "k1",
        "visitor_id": "v1",
        "customer_id": ["c1", "c1"],
        "moment": [IDLE, NIGHT],
        "decided_on": date(2025, 1, 6),
        "decision_at": [datetime(2025, 1, 6, 12), datetime(2025, 1, 7)],
        "store_margin_amount": 8.0,
        "is_bot": False,
        **dict.fromkeys(NUMBERS, 1.0),
        **dict.fromkeys(CATEGORIES, "a"),
    }
    empty = {name: pd.DataFrame({column: [] for column in columns}) for name, columns in COLUMNS.items()}
    night = pd.DataFrame({"as_of": [date(2025, 1, 6)]})
    return {**empty, "feat_night": night, "feat_cart": pd.DataFrame(cart)}


def carts() -> Carts:
    return Carts.from_tables(tables())
