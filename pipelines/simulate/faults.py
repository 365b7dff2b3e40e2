"""The closed list of ways in which a delivered row can be broken, and which of them a feed's rows know.

The contracts say which columns a fault can strike, so a column that is added to a feed is struck as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from pipelines.feeds import DATE, FEEDS, INSTANT, INTEGER, MONEY, NUMBER, QUANTITY, TEXT, UNIT_PRICE, Column
from pipelines.simulate import drops

UNPARSEABLE_NUMBER = "unparseable_number"
UNPARSEABLE_DATE = "unparseable_date"
MISSING_KEY = "missing_key"
NEGATIVE_QUANTITY = "negative_quantity"
UNKNOWN_EVENT_TYPE = "unknown_event_type"
UNKNOWN_CURRENCY = "unknown_currency"
ORPHAN_LINE = "orphan_line"
DUPLICATE_ROW = "duplicate_row"
CONFLICTING_ROW = "conflicting_row"
TRUNCATED_LINE = "truncated_line"
WRONG_COLUMN_COUNT = "wrong_column_count"
BAD_ENCODING = "bad_encoding"
ABSURD_TIMESTAMP = "absurd_timestamp"
# This one strikes whole files.
FILE_CUT_SHORT = "file_cut_short"

NUMBER_TYPES = frozenset({INTEGER, MONEY, UNIT_PRICE, QUANTITY, NUMBER})
# An O for a zero.
NOT_A_NUMBER = "1O.5"
# No year has a 30th of February.
NOT_A_DAY = "2025-02-30"
NOT_AN_INSTANT = f"{NOT_A_DAY}T10:00:00Z"
# A clock that lost its battery, and a placeholder for "never".
ABSURD_INSTANTS = ("1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z")
UNKNOWN_EVENT = "teleport"
# Three capital letters as it should be, and no ISO 4217 code.
NO_CURRENCY = "QQQ"
PARENTS = {
    "order_lines": ("order_id", "NO-SUCH-ORDER"),
    "returns": ("order_line_id", "NO-SUCH-LINE"),
    "shipments": ("order_id", "NO-SUCH-ORDER"),
}
# What the second row of a key says differently: allowed by the contract, and never said by the store itself.
CONTRADICTIONS = {
    "orders": ("shipping_amount", "987.65"),
    "order_lines": ("unit_price", "98765.4321"),
    "returns": ("reason", "contradicted"),
    "customers": ("region", "contradicted"),
    "shipments": ("carrier", "contradicted"),
    "products": ("title", "contradicted"),
    "inventory": ("on_order", "987654"),
    "promotions": ("kind", "contradicted"),
    "calendar": ("event", "contradicted"),
    "events": ("device", "contradicted"),
    "cart_messages": ("visitor_id", "contradicted"),
}


@dataclass(frozen=True)
class Way:
    """One way to break a row: the column that is changed, if it is one, and the value put there."""

    kind: str
    column: str | None = None
    value: str | None = None


@cache
def ways(feed: str, format: str) -> tuple[Way, ...]:
    """All ways to break a row of the feed; those of one kind stand together."""
    contract, is_text = FEEDS[feed], format == drops.TEXT
    keys = frozenset(contract.key)
    found = [
        *_each(feed, MISSING_KEY, lambda c: c.name in keys and c.required and c.default is None, None),
        *_each(feed, NEGATIVE_QUANTITY, lambda c: c.type == QUANTITY and c.minimum is not None, "-1"),
        *_each(feed, UNKNOWN_EVENT_TYPE, lambda c: c.name == "event_type", UNKNOWN_EVENT),
        *_each(feed, UNKNOWN_CURRENCY, lambda c: c.name == "currency", NO_CURRENCY),
        *_each(feed, ABSURD_TIMESTAMP, lambda c: c.type == INSTANT and not c.may_lie_ahead, *ABSURD_INSTANTS),
        *_named(ORPHAN_LINE, feed, PARENTS),
        *_named(CONFLICTING_ROW, feed, CONTRADICTIONS),
        Way(DUPLICATE_ROW),
    ]
    return (*found, *_of_text(feed, keys)) if is_text else tuple(found)


def _of_text(feed: str, keys: frozenset[str]) -> list[Way]:
    """What cannot happen to typed values."""
    found = [
        *_each(feed, UNPARSEABLE_NUMBER, lambda c: c.type in NUMBER_TYPES, NOT_A_NUMBER),
        *_each(feed, UNPARSEABLE_DATE, lambda c: c.type == DATE, NOT_A_DAY),
        *_each(feed, UNPARSEABLE_DATE, lambda c: c.type == INSTANT, NOT_AN_INSTANT),
        *_each(feed, BAD_ENCODING, lambda c: c.type == TEXT and c.name not in keys, None),
        Way(TRUNCATED_LINE),
    ]
    # A JSON object has no number of columns.
    return found if drops.format_of(feed, drops.TEXT) == "jsonl" else [*found, Way(WRONG_COLUMN_COUNT)]


def _each(feed: str, kind: str, is_struck: Callable[[Column], bool], *values: str | None) -> list[Way]:
    return [Way(kind, column.name, value) for column in FEEDS[feed].columns if is_struck(column) for value in values]


def _named(kind: str, feed: str, changes: Mapping[str, tuple[str, str]]) -> list[Way]:
    return [Way(kind, *changes[feed])] if feed in changes else []
