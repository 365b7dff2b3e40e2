"""Carts at their decisions as arrays, with what became of them and which of them were written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import tables
from models.tables import NEVER, Integers, days, seconds, texts

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

ADDED, IDLE, NIGHT = MOMENTS = ("added", "idle", "night")
NUMBERS = (
    "nights_count",
    "sku_count",
    "cart_units",
    "cart_amount",
    "store_to_free_shipping_amount",
    "lead_unit_price",
    "lead_price_to_usual_pct",
    "lead_price_to_first_pct",
    "lead_discount_pct",
    "lead_units_on_hand",
    "most_units_on_hand",
    "in_stock_pct",
    "has_checkout",
    "removed_count",
    "is_logged_in",
    "is_known",
    "earlier_order_count",
    "order_recency_days",
    "past_cart_count",
    "visit_hour",
    "iso_weekday",
    "view_count",
    "search_count",
    "visit_seconds",
    "idle_hours",
)
CATEGORIES = ("device", "traffic_source", "category_1")
KEY = ("cart_key", "visitor_id", "customer_id")
# All that is ever read of the feature tables: a column that is not named here cannot reach a model.
COLUMNS = {
    "feat_night": ("as_of",),
    "feat_cart": (*KEY, "moment", "decided_on", "decision_at", "store_margin_amount", "is_bot", *NUMBERS, *CATEGORIES),
    "feat_cart_purchase": ("cart_key", "purchased_at", "purchased_on", "held_from_at"),
    "feat_cart_message": ("cart_key", "experiment_group", "propensity", "assigned_on", "sent_at"),
}
# A cart that was held out stands for no more than so many that were written to.
_MOST_STOOD_FOR = 10.0


@dataclass(frozen=True)
class Messages:
    """What was decided about each row's cart: the day it was, `NEVER` for none, and the chance of a message.

    `is_treated` is whether one was sent, or was to be; `propensity` is NaN outside of an experiment.
    """

    assigned: Integers
    is_treated: Booleans
    propensity: Floats

    def until(self, count: int, day: int) -> Messages:
        known = self.assigned[:count] <= day
        return Messages(
            np.where(known, self.assigned[:count], NEVER),
            self.is_treated[:count] & known,
            np.where(known, self.propensity[:count], np.nan),
        )


@dataclass(frozen=True)
class Carts:
    """One row a cart at a decision, in order of day, cart and moment; days since 1970-01-01, instants in seconds.

    `frame` holds float32 numbers, NaN where unknown, and categories as text. `bought_day` is `NEVER` for what is not
    known to have been bought.
    """

    frame: pd.DataFrame
    moment: NDArray[np.object_]
    day: Integers
    decision: Integers
    bought_day: Integers
    bought: Integers
    margin: Floats
    is_bot: Booleans
    messages: Messages
    last_day: int

    @classmethod
    def from_tables(cls, given: Mapping[str, pd.DataFrame]) -> Carts:
        """Take the known columns of the feature tables, in any row order; raises `ValueError` when one is missing."""
        taken = tables.known_columns(given, COLUMNS)
        frame = taken["feat_cart"].sort_values(["decided_on", "cart_key", "moment"], ignore_index=True)
        moment, day = texts(frame.pop("moment")), days(frame.pop("decided_on"))
        decision = seconds(frame.pop("decision_at"))
        margin = np.asarray(frame.pop("store_margin_amount").astype("float64").to_numpy(na_value=np.nan), np.float64)
        is_bot = frame.pop("is_bot").to_numpy(bool)
        for name in NUMBERS:
            frame[name] = tables.numbers(frame[name])
        for name in CATEGORIES:
            frame[name] = texts(frame[name])
        cart = pd.Index(frame["cart_key"])
        bought_day, bought = _purchases(taken["feat_cart_purchase"], cart, decision)
        messages = _messages(taken["feat_cart_message"], cart)
        last_day = int(days(taken["feat_night"]["as_of"])[0])
        return cls(frame, moment, day, decision, bought_day, bought, margin, is_bot, messages, last_day)

    def until(self, day: int) -> Carts:
        """The carts as they stood at the end of a day: those decided on by then, with what was known by then."""
        count = int(np.searchsorted(self.day, day, side="right"))
        bought_day = np.where(self.bought_day[:count] <= day, self.bought_day[:count], NEVER)
        bought = np.where(bought_day == NEVER, NEVER, self.bought[:count])
        return Carts(
            self.frame.iloc[:count],
            self.moment[:count],
            self.day[:count],
            self.decision[:count],
            bought_day,
            bought,
            self.margin[:count],
            self.is_bot[:count],
            self.messages.until(count, day),
            day,
        )

    def happened(self, horizon_days: int) -> Floats:
        """1 where the cart was bought after the decision and within the horizon, else 0."""
        is_later = (self.bought > self.decision) & (self.bought_day <= self.day + horizon_days)
        return np.asarray(is_later & (self.bought_day != NEVER), np.float64)

    @property
    def is_open(self) -> Booleans:
        """Not bought already by a click that was delivered after the decision."""
        return np.asarray((self.bought_day == NEVER) | (self.bought > self.decision))

    def unwritten(self, which: Booleans) -> Integers:
        """Rows that tell what happens without a message: bots and those written to are left out, and each row held out
        stands for these as often as its chance of a message says."""
        index = np.flatnonzero(which & self.is_open & ~self.is_bot & ~self.messages.is_treated)
        chance = np.nan_to_num(self.messages.propensity[index])
        stands_for = np.minimum(1 / np.maximum(1 - chance, 1e-9), _MOST_STOOD_FOR)
        return np.repeat(index, np.rint(stands_for).astype(np.int64))

    def numbers(self, name: str) -> NDArray[np.float32]:
        return self.frame[name].to_numpy(np.float32)


def _purchases(table: pd.DataFrame, cart: pd.Index, decision: Integers) -> tuple[Integers, Integers]:
    """Day and instant at which something was bought that each row's cart held at its decision; `NEVER` without one."""
    if not len(table):
        return np.full(len(cart), NEVER, np.int64), np.full(len(cart), NEVER, np.int64)
    row = pd.Index(table["cart_key"]).get_indexer(cart)
    has = (row >= 0) & (seconds(table["held_from_at"])[row] <= decision)
    return (
        np.where(has, days(table["purchased_on"])[row], NEVER),
        np.where(has, seconds(table["purchased_at"])[row], NEVER),
    )


def _messages(table: pd.DataFrame, cart: pd.Index) -> Messages:
    """A cart about which more was decided than once counts as written to if it was once, and is in no experiment."""
    if not len(table):
        none = np.full(len(cart), NEVER, np.int64)
        return Messages(none, np.zeros(len(cart), bool), np.full(len(cart), np.nan))
    told = pd.DataFrame(
        {
            "cart_key": texts(table["cart_key"]),
            "assigned": days(table["assigned_on"]),
            "is_treated": (texts(table["experiment_group"]) == "treatment") | table["sent_at"].notna().to_numpy(bool),
            "propensity": table["propensity"].astype("float64").to_numpy(np.float64, na_value=np.nan),
        }
    )
    told.loc[table["experiment_group"].isna().to_numpy(bool), "propensity"] = np.nan
    told.loc[told.duplicated("cart_key", keep=False), "propensity"] = np.nan
    by_cart = told.groupby("cart_key").agg(
        assigned=("assigned", "min"), is_treated=("is_treated", "max"), propensity=("propensity", "first")
    )
    row = by_cart.index.get_indexer(cart)
    has = row >= 0
    return Messages(
        np.where(has, by_cart["assigned"].to_numpy(np.int64)[row], NEVER),
        has & by_cart["is_treated"].to_numpy(bool)[row],
        np.where(has, by_cart["propensity"].to_numpy(np.float64)[row], np.nan),
    )
