"""The lines of all orders as arrays, with their returns and parcels, each with the day from which it was known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import tables
from models.tables import NEVER, Integers, days, texts

Floats = NDArray[np.float64]

LEVELS = ("sku", "style", "category", "brand", "customer", "store")
SUMS = ("lines", "lines_6th", "lines_3rd", "lines_2_3rds", "returned", "returned_fit", "returned_quality")
HISTORY = tuple(f"{level}_{name}" for level in LEVELS for name in (*SUMS, "returned_mind"))
NUMBERS = (
    "units_ordered",
    "unit_price",
    "iso_weekday",
    "order_hour",
    "line_discount_pct",
    "price_to_usual_pct",
    "order_line_count",
    "order_gross_amount",
    "style_line_count",
    "style_size_count",
    "past_order_count",
)
CATEGORIES = ("category_1", "channel", "device")
IDS = ("order_line_id", "order_id", "customer_id", "sku")
# Whom figures are told apart by, for people to judge; in no feature.
GROUPS = ("ship_country",)
# All that is ever read of the feature tables: a column that is not named here cannot reach a model.
COLUMNS = {
    "feat_night": ("as_of",),
    "feat_order_line": (*IDS, *GROUPS, "ordered_on", "units", *NUMBERS, *CATEGORIES, *HISTORY),
    "feat_order_line_return": ("order_line_id", "requested_on", "known_on", "units_requested"),
    "feat_order_shipment": (
        "order_id",
        "known_on",
        "shipped_on",
        "promised_on",
        "delivered_on",
        "delivery_known_on",
        "carrier",
        "service",
    ),
}


@dataclass(frozen=True)
class Returns:
    """Returns asked for, ordered by line and day: the line's row, days since 1970-01-01, and the part of the line.

    `known` is the day at whose end a return was both asked for and known.
    """

    line: Integers
    requested: Integers
    known: Integers
    share: Floats


@dataclass(frozen=True)
class Parcels:
    """What left for each line's order; days are `NEVER` where nothing is known, `late_group` is -1."""

    shipped: Integers
    ship_known: Integers
    promised: Integers
    delivered: Integers
    delivery_known: Integers
    late_group: Integers


@dataclass(frozen=True)
class Lines:
    """One row a line in order of day and id; `day` and `last_day` in days since 1970-01-01.

    `frame` holds float32 numbers, NaN where unknown, and categories as text. A line is open to returns when some of it
    was not cancelled.
    """

    frame: pd.DataFrame
    day: Integers
    order: Integers
    is_sold: NDArray[np.bool_]
    returns: Returns
    parcels: Parcels
    last_day: int

    @classmethod
    def from_tables(cls, given: Mapping[str, pd.DataFrame]) -> Lines:
        """Take the known columns of the feature tables, in any row order; raises `ValueError` when one is missing."""
        taken = tables.known_columns(given, COLUMNS)
        frame = taken["feat_order_line"].sort_values(["ordered_on", "order_line_id"], ignore_index=True)
        units = frame.pop("units").to_numpy(np.float64)
        day = days(frame.pop("ordered_on"))
        for name in (*NUMBERS, *HISTORY):
            frame[name] = tables.numbers(frame[name])
        for name in (*CATEGORIES, *GROUPS):
            frame[name] = texts(frame[name])
        order = pd.factorize(frame["order_id"])[0].astype(np.int64)
        returns = _returns(taken["feat_order_line_return"], frame)
        parcels = _parcels(taken["feat_order_shipment"], frame)
        last_day = int(days(taken["feat_night"]["as_of"])[0])
        return cls(frame, day, order, units > 0, returns, parcels, last_day)

    def until(self, day: int) -> Lines:
        """The lines as they stood at the end of a day: those ordered by then, with what was known of them by then."""
        count, back, parcels = int(np.searchsorted(self.day, day, side="right")), self.returns, self.parcels
        kept = (back.line < count) & (back.known <= day)
        returns = Returns(back.line[kept], back.requested[kept], back.known[kept], back.share[kept])
        has_left, has_arrived = (known[:count] <= day for known in (parcels.ship_known, parcels.delivery_known))

        def seen(values: Integers, is_seen: NDArray[np.bool_], otherwise: int = NEVER) -> Integers:
            return np.where(is_seen, values[:count], otherwise)

        parcels = Parcels(
            seen(parcels.shipped, has_left),
            seen(parcels.ship_known, has_left),
            seen(parcels.promised, has_left),
            seen(parcels.delivered, has_left & has_arrived),
            seen(parcels.delivery_known, has_left & has_arrived),
            seen(parcels.late_group, has_left, -1),
        )
        frame = self.frame.iloc[:count]
        return Lines(frame, self.day[:count], self.order[:count], self.is_sold[:count], returns, parcels, day)

    def numbers(self, name: str) -> NDArray[np.float32]:
        return self.frame[name].to_numpy(np.float32)


def _returns(table: pd.DataFrame, frame: pd.DataFrame) -> Returns:
    line = pd.Index(frame["order_line_id"]).get_indexer(pd.Index(table["order_line_id"]))
    requested, known = days(table["requested_on"]), days(table["known_on"])
    units = table["units_requested"].to_numpy(np.float64)
    order = np.lexsort((units, requested, known, line))
    order = order[line[order] >= 0]
    line, share = line[order].astype(np.int64), units[order]
    share = share / frame["units_ordered"].to_numpy(np.float64)[line]
    return Returns(line, requested[order], known[order], share)


def _parcels(table: pd.DataFrame, frame: pd.DataFrame) -> Parcels:
    row = pd.Index(table["order_id"]).get_indexer(pd.Index(frame["order_id"]))
    has = row >= 0

    def of_line(values: Integers, missing: int) -> Integers:
        return np.where(has, values[row], missing) if len(values) else np.full(len(row), missing, np.int64)

    named = [table[name].astype(object).where(table[name].notna(), "").astype(str) for name in ("carrier", "service")]
    group = pd.factorize(named[0] + "|" + named[1], sort=True)[0].astype(np.int64)
    return Parcels(
        of_line(days(table["shipped_on"]), NEVER),
        of_line(days(table["known_on"]), NEVER),
        of_line(days(table["promised_on"]), NEVER),
        of_line(days(table["delivered_on"]), NEVER),
        of_line(days(table["delivery_known_on"]), NEVER),
        of_line(group, -1),
    )
