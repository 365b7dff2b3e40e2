"""Why a cart is likely to be bought, or not, in words: what moves its log-odds most, by subject."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.abandonment.carts import CATEGORIES, Floats
from models.abandonment.features import GROUPS, Inputs
from models.reasons import Words, only, strongest


def reasons(inputs: Inputs, contributions: Floats) -> dict[str, NDArray[np.object_]]:
    """The three subjects that move each row most; `contributions` are by feature."""
    return strongest(inputs, contributions, GROUPS, _WORDS, CATEGORIES)


def rule_reason(inputs: Inputs) -> dict[str, NDArray[np.object_]]:
    """What the rule goes by."""
    return only(inputs, ("recency", "age"), _WORDS, CATEGORIES)


def _times(value: float, what: str) -> str:
    count = 0 if np.isnan(value) else value
    return f"{count:.0f} {what}{'' if count == 1 else 's'}"


def _stock(units: float) -> str:
    return "its stock is not counted" if np.isnan(units) else f"{_times(units, 'unit')} left of the first article"


def _customer(is_known: float, is_logged_in: float, orders: float) -> str:
    if not is_known:
        return "nobody knows whose cart it is"
    return f"{'logged in' if is_logged_in else 'a known customer'}, {_times(orders, 'earlier order')}"


def _recency(is_known: float, since: float) -> str:
    if not is_known:
        return "no earlier order is known"
    return "no order so far" if np.isnan(since) else f"the last order {_times(since, 'day')} ago"


def _price(price: float, usual: float) -> str:
    told = "its price is not known" if np.isnan(price) else f"{price:.2f} for the first article"
    return told if np.isnan(usual) else f"{told}, {usual:.0%} of its usual price"


def _shipping(lacking: float) -> str:
    if np.isnan(lacking):
        return "shipping"
    return f"{lacking:.2f} short of free shipping" if lacking > 0 else "shipped free"


def _name(what: str) -> Callable[[str | None], str]:
    return lambda name: f"{what} {name}" if name else f"{what} not told"


def _age(hours: float, nights: float) -> str:
    return f"{hours:.1f} hours since the last action"


def _share(value: float) -> str:
    return f"{0 if np.isnan(value) else value:.0%} off the list price"


_WORDS: Words = {
    "age": (("idle_hours", "nights_count"), _age),
    "contents": (
        ("cart_units", "sku_count"),
        lambda units, skus: f"{_times(units, 'unit')} of {_times(skus, 'article')}",
    ),
    "value": (("cart_amount",), lambda amount: f"a cart of {amount:.2f}"),
    "shipping": (("store_to_free_shipping_amount",), _shipping),
    "price": (("lead_unit_price", "lead_price_to_usual_pct"), _price),
    "discount": (("lead_discount_pct",), _share),
    "stock": (("lead_units_on_hand",), _stock),
    "checkout": (("has_checkout",), lambda began: "the checkout was begun" if began else "no checkout was begun"),
    "customer": (("is_known", "is_logged_in", "earlier_order_count"), _customer),
    "recency": (("is_known", "order_recency_days"), _recency),
    "visits": (("past_cart_count",), lambda count: _times(count, "earlier cart")),
    "moment": (("visit_hour",), lambda hour: "its hour" if np.isnan(hour) else f"a visit at {hour:.0f} o'clock"),
    "path": (
        ("view_count", "search_count"),
        lambda views, searches: f"{_times(views, 'article')} looked at, searched {_times(searches, 'time')}",
    ),
    "device": (("device",), _name("device")),
    "source": (("traffic_source",), _name("came by")),
    "category": (("category_1",), _name("category")),
}
