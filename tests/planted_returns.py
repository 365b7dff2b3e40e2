"""The published chance of each cause of a return, by line, and the first of them that acts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from planted import Planted

REASONS = ("does not fit", "not as described", "ordered two sizes", "changed my mind", "arrived too late")


@cache
def lines(store: Planted) -> pd.DataFrame:
    """Lines of orders that were not cancelled, with the causes' chances in columns 0 to 4, in the order they act."""
    found = store.lines()[lambda f: ~f["is_cancelled"]].copy()
    is_worn = found["department"].isin(["Clothing", "Shoes"])
    # Cancelled or not, all lines of an order are of one fate.
    found["has_two_sizes"] = is_worn & (found.groupby(["order_id", "style_id"])["sku"].transform("count") > 1)
    customers = store.truth("customer").set_index("customer_id")
    proneness = found["customer_id"].map(customers["true_proneness"]).fillna(1.0)
    found["is_abuser"] = found["customer_id"].isin(customers.index[customers["is_return_abuser"]])
    found["is_guest"] = found["order_id"].map(store.orders()["customer_id"]).isna()
    found[0], found[1] = found["true_fit_risk"], found["true_quality_risk"]
    found[2] = 0.40 * found["has_two_sizes"]
    found[3] = 1 - np.exp(-0.03 * proneness * (1 + 2 * found["discount"]))
    found[4] = 0.10 * found["is_late"].astype(float)
    return found


def chance_of(lines: pd.DataFrame, cause: int) -> pd.Series:
    """That the cause acts and none before it does."""
    return lines[cause] * (1 - lines[list(range(cause))]).prod(axis=1)


def delays() -> np.ndarray:
    """Share of returns asked for 1 to 30 days after delivery: geometric of mean 8, cut at the end of the window."""
    shares = (1 - 1 / 8) ** np.arange(30)
    return np.asarray(shares / shares.sum())
