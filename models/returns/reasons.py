"""Why a line is likely to come back, or not, in words: what moves its log-odds most, by subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.returns.features import FEATURES, GROUPS, Inputs

Floats = NDArray[np.float64]
REASONS = ("reason_1", "reason_2", "reason_3")
SUBJECTS = tuple(dict.fromkeys(GROUPS.values()))


def reasons(inputs: Inputs, contributions: Floats) -> dict[str, NDArray[np.object_]]:
    """The three subjects that move each row most, the strongest first; `contributions` are by feature."""
    member = np.array([[GROUPS[name] == subject for subject in SUBJECTS] for name in FEATURES], np.float64)
    moved = contributions @ member
    strongest = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, : len(REASONS)]
    told = {name: np.full(inputs.size, None, object) for name in REASONS}
    for number, subject in enumerate(SUBJECTS):
        rows, ranks = np.nonzero(strongest == number)
        if not len(rows):
            continue
        phrases = _phrases(subject, inputs, rows)
        signs = np.where(moved[rows, number] > 0, "raises", "lowers")
        for rank, name in enumerate(REASONS):
            here = ranks == rank
            told[name][rows[here]] = [
                f"{sign} it: {text}" for sign, text in zip(signs[here], phrases[here], strict=True)
            ]
    return told


def base_reason(inputs: Inputs) -> dict[str, NDArray[np.object_]]:
    """What the rate of the SKU rests on; there is nothing more to say."""
    told = {name: np.full(inputs.size, None, object) for name in REASONS}
    told[REASONS[0]] = _phrases("sku", inputs, np.arange(inputs.size))
    return told


def _phrases(subject: str, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    names, say = _WORDS[subject]
    columns = [inputs.column(name)[rows].astype(np.float64) for name in names]
    if subject in ("category", "channel"):
        texts = inputs.text("category_1" if subject == "category" else "channel")[rows]
        return np.array([say(text, *values) for text, *values in zip(texts, *columns, strict=True)] or [], object)
    return np.array([say(*values) for values in zip(*columns, strict=True)], object)


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


# Columns that a subject's words need, and the words.
_WORDS: Mapping[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "sku": (("sku_returned", "sku_lines"), _of("the SKU")),
    "style": (
        ("style_returned_fit", "style_lines"),
        lambda b, n: f"{_count(b)} of {n:.0f} lines of the style did not fit",
    ),
    "category": (("category_returned", "category_lines"), _category),
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
    "channel": (("order_hour",), lambda name, _: f"ordered by {name}" if name else "its channel is not told"),
    "delivery": (("late_days", "days_since_delivered", "age_days"), _delivery),
}
