"""Carts with what a shop could see when they were filled, and the published chance that they are bought at once."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import planted_demand
from planted import Planted

DEVICE = {"mobile": 0.0, "desktop": 0.35, "tablet": 0.1}
SOURCE = {"search": 0.0, "direct": 0.2, "email": 0.35, "social": -0.5, "affiliate": -0.1}
LOG_ODDS = {
    "desktop": 0.35,
    "tablet": 0.1,
    "direct": 0.2,
    "email": 0.35,
    "social": -0.5,
    "affiliate": -0.1,
    "evening": 0.2,
    "night": -0.3,
    "logged_in": 0.4,
    "past_orders": 0.25,
    "price": -1.5,
    "low_stock": 0.3,
    "free_shipping": 0.4,
}
INTERCEPT = -1.15
DAYS_OPEN = 9


@cache
def carts(store: Planted) -> pd.DataFrame:
    """All carts but the last; the features are those of `LOG_ODDS`, missing where the usual price is not known."""
    found = store.truth("cart").join(store.visits().drop(columns="visitor_id"), on="cart_id").copy()

    local = found["visit_began"].dt.tz_convert("Europe/London")
    # Hours since midnight, which on the two days of a year when the clocks change are not those they show.
    found["hour"] = (local - local.dt.normalize()) // pd.Timedelta(hours=1)
    found["on"] = local.dt.tz_localize(None).dt.normalize().astype("datetime64[ns]")
    for name in ("desktop", "tablet"):
        found[name] = (found["device"] == name).astype(float)
    for name in ("direct", "email", "social", "affiliate"):
        found[name] = (found["source"] == name).astype(float)
    found["evening"] = found["hour"].between(19, 22).astype(float)
    found["night"] = (found["hour"] <= 6).astype(float)
    found["logged_in"] = found["is_logged_in"].astype(float)
    found["past_orders"] = np.log1p(np.minimum(_orders_before(store, found), 9)) * found["logged_in"]
    found["price"] = np.clip(np.log(found["price"] / found["sku"].map(_usual_price(store))), -0.4, 0.4)
    closing = _last_close(store, found)
    found["low_stock"] = ((closing > 0) & (closing <= 3)).astype(float)
    found["free_shipping"] = (found["cart_value"] >= 50).astype(float)
    found["log_odds"] = INTERCEPT + sum(found[name] * weight for name, weight in LOG_ODDS.items())
    # Of the last three days not all clicks have arrived.
    found = found[found["on"] <= store.last_day - pd.Timedelta(days=3)]
    return found.assign(is_bought_at_once=found["state"] == "purchased")


def closed_carts(store: Planted) -> pd.DataFrame:
    """Those old enough to know what became of them."""
    return carts(store)[lambda f: f["on"] <= store.last_day - pd.Timedelta(days=DAYS_OPEN)]


def _orders_before(store: Planted, found: pd.DataFrame) -> np.ndarray:
    """Orders of the cart's person under their account on earlier days."""
    orders = store.orders().dropna(subset=["customer_id"])
    day = orders["ordered_at"].dt.tz_convert("Europe/London").dt.tz_localize(None).dt.normalize()
    number = {customer: np.sort(days.to_numpy()) for customer, days in day.groupby(orders["customer_id"])}
    none = np.array([], dtype="datetime64[ns]")
    pairs = zip(found["true_customer_id"], found["on"].to_numpy(), strict=True)
    return np.array([np.searchsorted(number.get(who, none), day) for who, day in pairs])


def _usual_price(store: Planted) -> pd.Series:
    """The list price of the first day, of what was listed by then."""
    return pd.Series(planted_demand.list_prices(store)[0], index=store.truth("sku")["sku"])


def _last_close(store: Planted, found: pd.DataFrame) -> np.ndarray:
    days = store.truth("sku_day").set_index(["sku", "sold_on"])["closing_units"]
    yesterday = pd.MultiIndex.from_arrays([found["sku"], found["on"] - pd.Timedelta(days=1)])
    return days.reindex(yesterday).fillna(0).to_numpy()
