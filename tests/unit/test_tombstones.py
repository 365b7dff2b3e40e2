"""A row that says no more than that its key is deleted: taken in, told from a broken one, and known to the ledger."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from shop import Shop, lines

from pipelines import ledger
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.ingest import ingest

DAILY = "{{uri: '{feed}/{{ds}}.csv', format: csv}}"
ORDERS = "order_id,ordered_at,status,currency,updated_at,is_deleted"


@pytest.fixture
def orders(shop: Shop) -> Shop:
    shop.map(orders=DAILY.format(feed="orders"))
    return shop


def _deliver(shop: Shop, day: int, *rows: str) -> None:
    shop.deliver(f"orders/2024-07-{day:02}.csv", lines(ORDERS, rows))


def _touched(shop: Shop) -> list[str]:
    event = ledger.latest(Home(shop.root), "loads/orders")
    assert event is not None
    return list(event["partitions"][-1]["touched"])


def test_feeds_of_states_and_events_can_delete_and_snapshots_do_by_absence() -> None:
    assert [name for name, feed in FEEDS.items() if "is_deleted" in feed.column_names] == [
        *("orders", "order_lines", "returns", "customers", "shipments", "events", "cart_messages")
    ]


@pytest.mark.parametrize("feed", [name for name, feed in FEEDS.items() if feed.has_tombstones])
def test_a_tombstone_needs_its_key_alone(shop: Shop, feed: str) -> None:
    shop.map(**{feed: DAILY.format(feed=feed)})
    required = [column.name for column in FEEDS[feed].columns if column.required and column.default is None]
    header = ",".join([*required, "is_deleted"])
    (key,) = FEEDS[feed].key
    others = "," * (len(required) - 1)
    rows = [f"k1{others},true", f"k2{others},false", f"{others},true"]
    shop.deliver(f"{feed}/2024-07-01.csv", lines(header, rows))
    shop.ingest(feed)
    # A customer needs no more than its key anyhow.
    kept = [("k1", True), ("k2", False)] if required == [key] else [("k1", True)]
    assert shop.raw(feed, f"{key}, is_deleted") == kept
    assert shop.raw(feed, "ds, business_date, known_on")[0] == (date(2024, 7, 1),) * 3
    refused = [row for row in shop.quarantined(feed) if row[1] == "missing_value"]
    assert refused[-1] == (4, "missing_value", key)
    assert len(shop.raw(feed)) + len(shop.quarantined(feed)) == 3


@pytest.mark.parametrize("feed", [name for name, feed in FEEDS.items() if not feed.has_tombstones])
def test_a_snapshot_feed_has_no_such_column(shop: Shop, feed: str) -> None:
    shop.map(**{feed: "{uri: '{ds}.csv', format: csv, select: {is_deleted: 'true'}}"})
    with pytest.raises(NightshiftError, match=rf"feeds\.{feed}\.select\.is_deleted: no such column"):
        ingest(shop.settings, [feed], None, None, print)


def test_what_a_tombstone_says_beside_its_key_is_still_judged(orders: Shop) -> None:
    _deliver(
        orders,
        1,
        "o1,never,,,,true",  # line 2: an instant that cannot be read
        "o2,,lost,,,true",  # 3: no such status
        "o3,,,,2031-01-01,true",  # 4: deleted in the future
        "o4,,,,,maybe",  # 5: whether it is deleted cannot be told, so it is no tombstone
        "o5,2024-07-01,paid,GBP,,maybe",  # 6
        "o6,2024-07-01,paid,GBP,,",  # 7: not deleted unless it says so
    )
    orders.ingest("orders")
    assert orders.quarantined("orders") == [
        (2, "unparseable_value", "ordered_at"),
        (3, "unknown_value", "status"),
        (4, "out_of_range", "updated_at"),
        (5, "missing_value", "ordered_at"),
        (6, "unparseable_value", "is_deleted"),
    ]
    assert orders.raw("orders", "order_id, is_deleted") == [("o6", False)]


def test_a_tombstone_without_an_instant_of_its_own_does_not_take_that_of_the_order(orders: Shop) -> None:
    _deliver(orders, 2, "o1,2024-07-01,paid,GBP,,true", "o2,2024-07-01,paid,GBP,,false", "o3,,,,2024-07-02,true")
    orders.ingest("orders")
    noon = datetime(2024, 7, 1, 11)
    assert orders.raw("orders", "order_id, ordered_at, updated_at, business_date") == [
        ("o1", noon, None, date(2024, 7, 1)),
        ("o2", noon, noon, date(2024, 7, 1)),
        ("o3", None, datetime(2024, 7, 2, 11), date(2024, 7, 2)),
    ]


def test_it_is_the_last_word_of_its_day_unless_an_instant_says_otherwise(orders: Shop) -> None:
    _deliver(
        orders,
        1,
        "gone,,,,,true",
        "gone,2024-07-01,paid,GBP,2024-07-01T20:00:00Z,false",
        "back,,,,2024-07-01T10:00:00Z,true",
        "back,2024-07-01,paid,GBP,2024-07-01T20:00:00Z,false",
        "gone twice,,,,,true",
        "gone twice,,,,,true",
        "both,,,,2024-07-01T10:00:00Z,true",
        "both,2024-07-01,paid,GBP,2024-07-01T10:00:00Z,false",
    )
    report = orders.ingest("orders")
    assert orders.raw("orders", "order_id, is_deleted") == [
        *(("back", False), ("both", True), ("gone", True), ("gone twice", True))
    ]
    # Deleted and not deleted at one instant: the rows contradict each other.
    assert orders.quarantined("orders") == [(9, "conflicting_key", "order_id")]
    # 8 in = 4 loaded + 3 earlier states or repeated + 1 refused.
    assert (report.rows_in, report.rows_loaded, report.rows_duplicate, report.rows_quarantined) == (8, 4, 3, 1)


def test_where_rows_have_no_updated_at_a_tombstone_is_the_last_word_too(shop: Shop) -> None:
    shop.map(shipments=DAILY.format(feed="shipments"))
    rows = ["s1,o,c,false", "s1,,,true", "s2,,,true", "s2,o,c,false", "s3,o,c,false", "s3,o,d,false"]
    shop.deliver("shipments/2024-07-01.csv", lines("shipment_id,order_id,carrier,is_deleted", rows))
    shop.ingest("shipments")
    assert shop.raw("shipments", "shipment_id, carrier, is_deleted") == [
        *(("s1", None, True), ("s2", None, True), ("s3", "c", False))
    ]
    assert shop.quarantined("shipments") == [(7, "conflicting_key", "shipment_id")]


def test_bulk_history_needs_an_instant_for_its_day(shop: Shop) -> None:
    shop.map(orders="{uri: history.csv, format: csv}")
    shop.deliver("history.csv", lines(ORDERS, ["o1,2024-07-01,,,,true", "o2,,,,2024-07-01,true"]))
    shop.ingest("orders")
    assert shop.raw("orders", "order_id, is_deleted, ds") == [("o1", True, date(2024, 7, 1))]
    assert shop.quarantined("orders") == [(3, "missing_value", "ordered_at")]


def test_a_tombstone_touches_the_dates_of_what_it_deletes(orders: Shop) -> None:
    _deliver(orders, 1, "o1,2024-06-28,placed,GBP,,", "o2,2024-06-29,placed,GBP,,")
    _deliver(orders, 2, "o1,2024-06-27,paid,GBP,2024-07-02,", "o3,2024-07-02,paid,GBP,,")
    orders.ingest("orders")
    _deliver(orders, 4, "o1,,,,,true", "o4,2024-07-03,placed,GBP,,")
    orders.ingest("orders")
    # Its own day, the dates of both states of o1, and that of the new order; not those of o2 and o3.
    assert _touched(orders) == ["2024-06-27", "2024-06-28", "2024-07-03", "2024-07-04"]
    # The day again, without the tombstone: o1 is back, so its dates are to be made anew.
    _deliver(orders, 4, "o4,2024-07-03,placed,GBP,,")
    orders.ingest("orders")
    assert _touched(orders) == ["2024-06-27", "2024-06-28", "2024-07-03", "2024-07-04"]
    _deliver(orders, 4, "o4,2024-07-03,paid,GBP,,")
    orders.ingest("orders")
    assert _touched(orders) == ["2024-07-03"]


def test_a_tombstone_that_comes_before_what_it_deletes_touches_no_more_than_it_knows(orders: Shop) -> None:
    _deliver(orders, 4, "o1,,,,,true")
    orders.ingest("orders")
    assert _touched(orders) == ["2024-07-04"]
    _deliver(orders, 2, "o1,2024-06-28,placed,GBP,,")
    orders.ingest("orders")
    assert _touched(orders) == ["2024-06-28"]


def test_a_store_that_never_deletes_is_not_told_of_the_column_and_one_that_stops_is(orders: Shop) -> None:
    def notes(header: str, row: str) -> list[str]:
        said: list[str] = []
        orders.deliver("orders/2024-07-01.csv", lines(header, [row]))
        ingest(orders.settings, ["orders"], None, None, said.append)
        return [line for line in said if "is_deleted" in line]

    assert notes("order_id,ordered_at,status,currency", "o1,2024-07-01,paid,GBP") == []
    assert notes("order_id,ordered_at,status,currency,is_deleted", "o1,2024-07-01,paid,GBP,f") == []
    (said,) = notes("order_id,ordered_at,status,currency", "o2,2024-07-01,paid,GBP")
    assert said == "orders: no column 'is_deleted' in 2024-07-01.csv; is_deleted filled with null"


def test_a_day_of_tombstones_alone_is_judged_by_no_expectation(shop: Shop) -> None:
    """The suite of order lines wants prices and orders, of which a tombstone has none."""
    shop.map(order_lines=DAILY.format(feed="order_lines"))
    header = "order_line_id,order_id,sku,quantity,unit_price,is_deleted"
    shop.deliver("order_lines/2024-07-01.csv", lines(header, ["l1,,,,,true", "l2,,,,,true"]))
    assert shop.ingest("order_lines").rows_loaded == 2


def test_a_tombstone_is_loaded_beside_a_damaged_day_whose_dates_it_then_touches(orders: Shop) -> None:
    _deliver(orders, 1, "o1,2024-06-28,paid,GBP,,", "o2,2024-06-29,paid,GBP,,")
    _deliver(orders, 2, "o3,2024-07-02,paid,GBP,,")
    orders.ingest("orders")
    damaged = orders.root / "raw" / "orders" / "ds=2024-07-01" / "data.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    # Which of its rows o1 was cannot be seen any more: 28 and 29 June belong to the day, and 3 July is the tombstone's.
    _deliver(orders, 3, "o1,,,,,true")
    orders.ingest("orders")
    assert _touched(orders) == ["2024-06-28", "2024-06-29", "2024-07-03"]
