"""The feed contracts: what a store delivers, column by column.

This is the only definition in code. Readers, quarantine reasons, the empty tables that stand in for an absent
feed, and the checks are derived from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pipelines.currencies import CURRENCIES

TEXT = "VARCHAR"
INSTANT = "TIMESTAMP"
DATE = "DATE"
BOOLEAN = "BOOLEAN"
INTEGER = "INTEGER"
MONEY = "DECIMAL(18,2)"
UNIT_PRICE = "DECIMAL(18,4)"
QUANTITY = "DECIMAL(18,3)"
NUMBER = "DOUBLE"

ORDER_STATUSES = ("placed", "paid", "fulfilled", "cancelled")
# A row of which this column is true says no more than that its key is gone; see `Feed.has_tombstones`.
TOMBSTONE = "is_deleted"
RETURN_STATUSES = ("requested", "received", "refunded", "rejected")
EXPERIMENT_GROUPS = ("treatment", "holdout")
EVENT_TYPES = (
    "page_view",
    "search",
    "product_view",
    "add_to_cart",
    "remove_from_cart",
    "checkout_start",
    "purchase",
)


@dataclass(frozen=True)
class Column:
    """One column of a contract. `type` is the DuckDB type it has in `raw/`; instants are UTC.

    An instant that `may_lie_ahead` is planned; all others have passed when the row is delivered. An `is_category`
    has few values, whose shares are worth watching. `is_free_text` may hold what people or programs wrote, so addresses
    and tokens in it are masked at the door.
    """

    name: str
    type: str
    required: bool = True
    default: str | None = None
    minimum: float | None = None
    exclusive: bool = False
    maximum: float | None = None
    values: tuple[str, ...] = ()
    is_personal: bool = False
    may_lie_ahead: bool = False
    is_free_text: bool = False
    # Left out of the repr, by which a load knows its contract: what is watched changes no row.
    is_category: bool = field(default=False, repr=False)


@dataclass(frozen=True)
class Feed:
    """One feed: its key, its columns, and which of them says when a row happened.

    `instants` are tried in order for the row's own instant; a snapshot feed has none, since its rows describe
    the business day they are delivered for.
    """

    name: str
    ingestion: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    instants: tuple[str, ...] = ()

    @property
    def is_snapshot(self) -> bool:
        return not self.instants

    @property
    def has_tombstones(self) -> bool:
        """Whether rows may say that their key is deleted; a snapshot feed says so by leaving the key out."""
        return not self.is_snapshot

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


# What ingest adds to every row, after the contract's own columns.
LINEAGE_COLUMNS = (
    Column("business_date", DATE),
    Column("known_on", DATE),
    Column("is_known_on_approximate", BOOLEAN),
)


def _text(name: str, required: bool = True, **rules: object) -> Column:
    return Column(name, TEXT, required, **rules)  # type: ignore[arg-type]


def _optional(name: str, type: str = TEXT, **rules: object) -> Column:
    return Column(name, type, False, **rules)  # type: ignore[arg-type]


_DELETED = _optional(TOMBSTONE, BOOLEAN, default="false")

_FEEDS = (
    Feed(
        "orders",
        "ingest_orders",
        ("order_id",),
        (
            _text("order_id"),
            _optional("customer_id"),
            Column("ordered_at", INSTANT),
            _text("status", values=ORDER_STATUSES, is_category=True),
            _optional("cancelled_at", INSTANT),
            _optional("location_id", default="main", is_category=True),
            _optional("channel", is_category=True),
            _text("currency", values=CURRENCIES, is_category=True),
            _optional("discount_amount", MONEY),
            _optional("shipping_amount", MONEY),
            _optional("tax_amount", MONEY),
            _optional("ship_country", is_category=True),
            _optional("email", is_personal=True),
            _optional("updated_at", INSTANT),
            _DELETED,
        ),
        instants=("ordered_at",),
    ),
    Feed(
        "order_lines",
        "ingest_orders",
        ("order_line_id",),
        (
            _text("order_line_id"),
            _text("order_id"),
            _text("sku"),
            Column("quantity", QUANTITY, minimum=0, exclusive=True),
            Column("unit_price", UNIT_PRICE, minimum=0),
            Column("discount_amount", MONEY, default="0", minimum=0),
            _optional("cancelled_quantity", QUANTITY, default="0", minimum=0),
            _optional("updated_at", INSTANT),
            _DELETED,
        ),
        instants=("updated_at",),
    ),
    Feed(
        "returns",
        "ingest_orders",
        ("return_id",),
        (
            _text("return_id"),
            _text("order_line_id"),
            Column("quantity", QUANTITY, minimum=0, exclusive=True),
            _optional("reason", is_free_text=True),
            Column("requested_at", INSTANT),
            _optional("received_at", INSTANT),
            _optional("refund_amount", MONEY),
            _text("status", values=RETURN_STATUSES, is_category=True),
            _DELETED,
        ),
        instants=("requested_at",),
    ),
    Feed(
        "customers",
        "ingest_orders",
        ("customer_id",),
        (
            _text("customer_id"),
            _optional("created_at", INSTANT),
            _optional("country", is_category=True),
            _optional("region"),
            _optional("email", is_personal=True),
            _optional("phone", is_personal=True),
            _optional("marketing_consent", BOOLEAN, is_category=True),
            _optional("attributes", is_free_text=True),
            _optional("updated_at", INSTANT),
            _DELETED,
        ),
        instants=("updated_at", "created_at"),
    ),
    Feed(
        "shipments",
        "ingest_orders",
        ("shipment_id",),
        (
            _text("shipment_id"),
            _text("order_id"),
            _text("carrier", is_category=True),
            _optional("service", is_category=True),
            _optional("shipped_at", INSTANT),
            _optional("promised_at", INSTANT, may_lie_ahead=True),
            _optional("delivered_at", INSTANT),
            _optional("weight_kg", NUMBER, minimum=0),
            _optional("distance_km", NUMBER, minimum=0),
            _DELETED,
        ),
        instants=("shipped_at", "promised_at", "delivered_at"),
    ),
    Feed(
        "products",
        "ingest_catalog",
        ("sku",),
        (
            _text("sku"),
            _text("title"),
            _optional("style_id"),
            _optional("size"),
            _optional("color"),
            _optional("category"),
            _optional("brand"),
            _optional("supplier"),
            _optional("list_price", UNIT_PRICE, minimum=0),
            _optional("unit_cost", UNIT_PRICE, minimum=0),
            _optional("lead_time_days", INTEGER, minimum=0),
            _optional("pack_size", QUANTITY, minimum=0, exclusive=True),
            _optional("min_order_quantity", QUANTITY, minimum=0),
            _optional("unit_of_measure"),
            _optional("launched_on", DATE),
            Column("is_active", BOOLEAN, is_category=True),
            _optional("attributes", is_free_text=True),
            _optional("image_url"),
        ),
    ),
    Feed(
        "inventory",
        "ingest_catalog",
        ("sku", "location_id"),
        (
            _text("sku"),
            _text("location_id", default="main", is_category=True),
            Column("on_hand", QUANTITY, minimum=0),
            Column("on_order", QUANTITY, minimum=0),
        ),
    ),
    Feed(
        "promotions",
        "ingest_catalog",
        ("promotion_id", "sku"),
        (
            _text("promotion_id"),
            _text("sku"),
            _optional("kind", is_category=True),
            Column("starts_on", DATE),
            Column("ends_on", DATE),
            _optional("discount_pct", NUMBER, minimum=0, maximum=1),
            _optional("announced_on", DATE),
            Column("is_cancelled", BOOLEAN, default="false", is_category=True),
        ),
    ),
    Feed(
        "calendar",
        "ingest_catalog",
        ("date", "location_id"),
        (
            Column("date", DATE),
            _optional("location_id"),
            Column("is_open", BOOLEAN, is_category=True),
            _optional("event"),
        ),
    ),
    Feed(
        "events",
        "ingest_clickstream",
        ("event_id",),
        (
            _text("event_id"),
            _text("visitor_id"),
            _optional("session_id"),
            _optional("customer_id"),
            Column("occurred_at", INSTANT),
            _text("event_type", values=EVENT_TYPES, is_category=True),
            _optional("sku"),
            _optional("quantity", QUANTITY, minimum=0, exclusive=True),
            _optional("unit_price", UNIT_PRICE, minimum=0),
            _optional("order_id"),
            _optional("device", is_category=True),
            _optional("country", is_category=True),
            _optional("traffic_source", is_free_text=True, is_category=True),
            _optional("page_url", is_free_text=True),
            _optional("attributes", is_free_text=True),
            _DELETED,
        ),
        instants=("occurred_at",),
    ),
    Feed(
        "cart_messages",
        "ingest_clickstream",
        ("cart_id",),
        (
            _text("cart_id"),
            _text("visitor_id"),
            _optional("customer_id"),
            Column("assigned_at", INSTANT),
            _optional("experiment_group", values=EXPERIMENT_GROUPS, is_category=True),
            _optional("propensity", NUMBER, minimum=0, maximum=1),
            _optional("sent_at", INSTANT),
            _DELETED,
        ),
        instants=("assigned_at",),
    ),
)

FEEDS: Mapping[str, Feed] = MappingProxyType({feed.name: feed for feed in _FEEDS})
INGESTIONS = tuple(dict.fromkeys(feed.ingestion for feed in _FEEDS))
