"""Why a line is likely to come back, or not, in words: what moves its log-odds most, by subject."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.reasons import Words, only, strongest
from models.returns.features import GROUPS, Inputs
from models.returns.lines import CATEGORIES

Floats = NDArray[np.float64]


def reasons(inputs: Inputs, contributions: Floats) -> dict[str, NDArray[np.object_]]:
    """The three subjects that move each row most; `contributions` are by feature."""
    return strongest(inputs, contributions, GROUPS, _WORDS, CATEGORIES)


def base_reason(inputs: Inputs) -> dict[str, NDArray[np.object_]]:
    """What the rate of the SKU rests on."""
    return only(inputs, ("sku",), _WORDS, CATEGORIES)


def _of(what: str) -> Callable[[float, float], str]:
    return lambda back, lines: f"{_count(back)} of {lines:.0f} lines of {what} came back so far"


def _count(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _customer(back: float, lines: float, orders: float) -> str:
    if np.isnan(orders):
        return "a guest, of whom nothing is known"
    if not lines:
        return "the customer's first order"
    return f"{_count(back)} of {lines:.0f} earlier lines of the customer came back"


def _sizes(sizes: float, lines: float) -> str:
    if sizes > 1:
        return f"{sizes:.0f} sizes of the style in one order"
    return f"{lines:.0f} lines of the style in one order" if lines > 1 else "one size of the style in the order"


def _delivery(late: float, since: float, age: float) -> str:
    told = f"delivered {_days(since)} ago" if not np.isnan(since) else f"ordered {_days(age)} ago"
    return f"{told}, {_days(late)} later than promised" if late > 0 else told


def _days(count: float) -> str:
    return f"{count:.0f} day{'' if count == 1 else 's'}"


def _price(price: float, usual: float) -> str:
    told = f"{price:.2f} a unit"
    return told if np.isnan(usual) else f"{told}, {usual:.0%} of its usual price"


def _category(name: str | None, back: float, lines: float) -> str:
    return _of(f"its category ({name})" if name else "its category")(back, lines)


_WORDS: Words = {
    "sku": (("sku_returned", "sku_lines"), _of("the SKU")),
    "style": (
        ("style_returned_fit", "style_lines"),
        lambda b, n: f"{_count(b)} of {n:.0f} lines of the style did not fit",
    ),
    "category": (("category_1", "category_returned", "category_lines"), _category),
    "brand": (("brand_returned", "brand_lines"), _of("the brand")),
    "customer": (("customer_returned", "customer_lines", "past_order_count"), _customer),
    "store": (("store_returned", "store_lines"), _of("the store")),
    "sizes": (("style_size_count", "style_line_count"), _sizes),
    "quantity": (("units_ordered",), lambda units: f"{_count(units)} units of it"),
    "price": (("unit_price", "price_to_usual_pct"), _price),
    "discount": (("line_discount_pct",), lambda share: f"{0 if np.isnan(share) else share:.0%} discount"),
    "basket": (("order_line_count",), lambda count: f"{count:.0f} lines in the order"),
    "part": (("returned_so_far",), lambda part: f"{part:.0%} of the line came back already"),
    "moment": (("order_hour",), lambda hour: f"ordered at {hour:.0f} o'clock"),
    "channel": (("channel",), lambda name: f"ordered by {name}" if name else "its channel is not told"),
    "delivery": (("late_days", "days_since_delivered", "age_days"), _delivery),
}
