"""The matrix that trees and regression read: one row a line at an age, every column known at that age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import models.inputs
from models.returns.lines import CATEGORIES, HISTORY, NUMBERS
from models.returns.rates import Floats, Rates, remaining
from models.returns.rows import STATE, Rows

# Feature and the group that its reason speaks of.
GROUPS: Mapping[str, str] = {
    "any_cause": "sku",
    "sku_rate": "sku",
    "quality_rate": "sku",
    "other_rate": "sku",
    "sku_lines": "sku",
    "fit_rate": "style",
    "style_rate": "style",
    "style_lines": "style",
    "category_rate": "category",
    "category_1": "category",
    "brand_rate": "brand",
    "mind_rate": "customer",
    "customer_rate": "customer",
    "customer_lines": "customer",
    "past_order_count": "customer",
    "is_guest": "customer",
    "store_rate": "store",
    "style_line_count": "sizes",
    "style_size_count": "sizes",
    "units_ordered": "quantity",
    "unit_price": "price",
    "price_to_usual_pct": "price",
    "line_discount_pct": "discount",
    "order_line_count": "basket",
    "order_gross_amount": "basket",
    "order_returned_so_far": "basket",
    "returned_so_far": "part",
    "iso_weekday": "moment",
    "order_hour": "moment",
    "channel": "channel",
    "device": "channel",
    "age_days": "delivery",
    "unshown": "delivery",
    "days_since_delivered": "delivery",
    "handling_days": "delivery",
    "promised_days": "delivery",
    "late_days": "delivery",
    "late_pct": "delivery",
    "parcel_late_pct": "delivery",
}
FEATURES = tuple(GROUPS)
# More of these never makes a return less likely; more of those at -1 never more likely.
MONOTONE = {
    **dict.fromkeys(
        ("any_cause", "sku_rate", "quality_rate", "other_rate", "fit_rate", "style_rate", "category_rate"), 1
    ),
    **dict.fromkeys(("brand_rate", "mind_rate", "customer_rate", "style_size_count", "line_discount_pct"), 1),
    **dict.fromkeys(("late_pct", "parcel_late_pct", "unshown"), 1),
}
RAW = (*NUMBERS, *CATEGORIES, *HISTORY, *STATE)
_PASSED = ("past_order_count", "style_line_count", "style_size_count", "units_ordered", "price_to_usual_pct")
_PASSED_TOO = ("line_discount_pct", "order_line_count", "iso_weekday", "order_hour", *STATE)


class Inputs(models.inputs.Inputs):
    """Columns of `RAW` by name."""

    @classmethod
    def of_rows(cls, rows: Rows) -> Inputs:
        return cls(len(rows), rows.column, lambda name: rows.lines.frame[name].to_numpy(object)[rows.index])


def raw_frame(rows: Rows) -> pd.DataFrame:
    """The columns of `RAW` for rows: what a model is asked with."""
    inputs = Inputs.of_rows(rows)
    return pd.DataFrame({name: inputs.text(name) if name in CATEGORIES else inputs.column(name) for name in RAW})


def matrix(inputs: Inputs, rates: Rates, categories: Mapping[str, tuple[str, ...]]) -> NDArray[np.float32]:
    """Shape (rows, features), in the order of `FEATURES`; NaN where unknown."""
    made = np.empty((inputs.size, len(FEATURES)), np.float32, order="F")
    place = {name: number for number, name in enumerate(FEATURES)}
    for name, values in (*_rates(inputs, rates), *_others(inputs, rates)):
        made[:, place[name]] = values
    for name in CATEGORIES:
        made[:, place[name]] = inputs.coded(name, categories)
    return made


def base_rate(inputs: Inputs, rates: Rates, level: str) -> Floats:
    """The chance that is left at each row's age by a level's rate alone."""
    found = rates.levels(inputs.column, rates.exposures(inputs.column))[level]
    return remaining(np.clip(found, 1e-6, 1 - 1e-6), shown_by(inputs, rates))


def shown_by(inputs: Inputs, rates: Rates) -> Floats:
    """The share of all returns that is known by each row's age."""
    age = np.clip(inputs.column("age_days"), 0, rates.window_days).astype(np.int64)
    return np.where(age == 0, 0.0, np.asarray(rates.shown)[age])


def _rates(inputs: Inputs, rates: Rates) -> Iterator[tuple[str, Floats]]:
    exposures = rates.exposures(inputs.column)
    for level, rate in rates.levels(inputs.column, exposures).items():
        yield f"{level}_rate", rate
    causes = rates.causes(inputs.column, exposures)
    for cause, rate in causes.items():
        yield f"{cause}_rate", rate
    yield "any_cause", np.asarray(1 - np.prod([1 - np.clip(rate, 0, 1) for rate in causes.values()], axis=0))
    for level in ("sku", "style", "customer"):
        yield f"{level}_lines", np.log1p(exposures[level])


def _others(inputs: Inputs, rates: Rates) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in (*_PASSED, *_PASSED_TOO):
        yield name, inputs.column(name)
    yield "is_guest", np.isnan(inputs.column("past_order_count"))
    yield "unshown", 1 - shown_by(inputs, rates)
    for name in ("unit_price", "order_gross_amount"):
        yield name, np.log1p(np.maximum(inputs.column(name), 0))
