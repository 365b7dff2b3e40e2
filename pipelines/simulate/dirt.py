"""Rows broken on purpose, and the record of which row was broken how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.feeds import FEEDS
from pipelines.simulate import text
from pipelines.simulate.streams import Bools

UNPARSEABLE_NUMBER = "unparseable_number"
MISSING_KEY = "missing_key"
NEGATIVE_QUANTITY = "negative_quantity"
UNKNOWN_EVENT_TYPE = "unknown_event_type"
DUPLICATE_ROW = "duplicate_row"
WRONG_COLUMN_COUNT = "wrong_column_count"

# An O for a zero.
NOT_A_NUMBER = "1O.5"

NUMBER_COLUMNS = {
    "orders": "shipping_amount",
    "order_lines": "unit_price",
    "returns": "quantity",
    "products": "list_price",
    "inventory": "on_order",
    "promotions": "discount_pct",
    "shipments": "weight_kg",
    "events": "unit_price",
}
QUANTITY_COLUMNS = {
    "order_lines": "quantity",
    "returns": "quantity",
    "inventory": "on_hand",
    "events": "quantity",
}


def kinds(feed: str) -> list[str]:
    """The ways in which a row of the feed can be broken."""
    applies = {
        UNPARSEABLE_NUMBER: feed in NUMBER_COLUMNS,
        MISSING_KEY: True,
        NEGATIVE_QUANTITY: feed in QUANTITY_COLUMNS,
        UNKNOWN_EVENT_TYPE: feed == "events",
        DUPLICATE_ROW: True,
        WRONG_COLUMN_COUNT: feed != "events",
    }
    return [kind for kind, is_possible in applies.items() if is_possible]


@dataclass(frozen=True)
class Drop:
    """The rows as delivered, which of them carry a field too many, and the truth about the broken ones.

    `injected` has the columns feed, ds, key (its parts as they were, joined by "|") and kind.
    """

    table: pa.Table
    surplus: Bools
    injected: dict[str, pa.Array]


def spoil(rng: np.random.Generator, share: float, feed: str, ds: str, table: pa.Table) -> Drop:
    """Break each row with probability `share`, in one way each; a duplicated row comes again at the end."""
    possible = kinds(feed)
    is_broken = rng.random(len(table)) < share
    kind = np.where(is_broken, rng.integers(len(possible), size=len(table)), -1)
    where = {name: kind == number for number, name in enumerate(possible)}
    rows = np.flatnonzero(is_broken)
    injected = {
        "feed": text.constant(feed, len(rows)),
        "ds": text.constant(ds, len(rows)),
        "key": _key(feed, table.take(pa.array(rows))),
        "kind": text.chosen(possible, kind[rows]),
    }
    if len(rows) == 0:
        return Drop(table, is_broken, injected)
    spoiled = _blank_or_replace(feed, table, where)
    again = np.flatnonzero(where[DUPLICATE_ROW])
    delivered = pa.concat_tables([spoiled, spoiled.take(pa.array(again))])
    surplus = where.get(WRONG_COLUMN_COUNT, np.zeros(len(table), dtype=bool))
    return Drop(delivered, np.concatenate([surplus, np.zeros(len(again), dtype=bool)]), injected)


def _key(feed: str, table: pa.Table) -> pa.Array:
    separated = [piece for name in FEEDS[feed].key for piece in ("|", text.column(table, name).fill_null(""))]
    return text.joined(*separated[1:])


def _blank_or_replace(feed: str, table: pa.Table, where: dict[str, Bools]) -> pa.Table:
    replacements = (
        (UNPARSEABLE_NUMBER, NUMBER_COLUMNS.get(feed), NOT_A_NUMBER),
        (NEGATIVE_QUANTITY, QUANTITY_COLUMNS.get(feed), "-1"),
        (UNKNOWN_EVENT_TYPE, "event_type", "teleport"),
        (MISSING_KEY, FEEDS[feed].key[0], None),
    )
    for kind, column, value in replacements:
        if kind in where and column is not None:
            values = text.replaced(text.column(table, column), where[kind], value)
            table = text.changed(table, {column: values})
    return table
