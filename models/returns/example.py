"""Invented lines: what a served model shows as the form of its input."""

from __future__ import annotations

from datetime import date

import pandas as pd

from models.returns.lines import CATEGORIES, COLUMNS, HISTORY, NUMBERS, Lines

SIZE = 2


def tables() -> dict[str, pd.DataFrame]:
    """Feature tables of two lines of one order, without a return or a parcel."""
    line: dict[str, object] = {
        "order_line_id": ["o1-1", "o1-2"],
        "order_id": "o1",
        "customer_id": ["c1", None],
        "sku": ["s1", "s2"],
        "ship_country": None,
        "ordered_on": date(2025, 1, 6),
        "units": 1.0,
        **dict.fromkeys(NUMBERS, 1.0),
        **dict.fromkeys(CATEGORIES, "a"),
        **{name: 40.0 if "lines" in name else 4.0 if name.endswith("returned") else 1.0 for name in HISTORY},
    }
    empty = {name: pd.DataFrame({column: [] for column in columns}) for name, columns in COLUMNS.items()}
    night = pd.DataFrame({"as_of": [date(2025, 1, 6)]})
    return {**empty, "feat_night": night, "feat_order_line": pd.DataFrame(line)}


def lines() -> Lines:
    return Lines.from_tables(tables())
