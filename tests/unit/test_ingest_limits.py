"""Where the contract draws the line between a value that is odd and one that cannot be."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from shop import Shop, lines

ORDERS = "order_id,ordered_at,status,currency,updated_at"


@pytest.fixture
def orders(shop: Shop) -> Shop:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    return shop


@pytest.mark.parametrize(
    ("instant", "is_refused"),
    [
        ("1999-12-31T23:59:59Z", True),
        ("2000-01-01T00:00:00Z", False),
        # London is at UTC+1, so the day after the delivery's ends at 23:00 UTC.
        ("2024-07-02T22:59:59Z", False),
        ("2024-07-02T23:00:00Z", True),
        ("2099-12-31T23:59:59Z", True),
    ],
)
@pytest.mark.parametrize("column", ["ordered_at", "updated_at"])
def test_an_instant_lies_in_this_century_and_not_after_its_delivery(
    orders: Shop, column: str, instant: str, is_refused: bool
) -> None:
    row = {"ordered_at": "2024-07-01T10:00:00Z", "updated_at": "2024-07-01T10:00:00Z"} | {column: instant}
    orders.deliver("orders/2024-07-01.csv", lines(ORDERS, [f"o1,{row['ordered_at']},paid,GBP,{row['updated_at']}"]))
    orders.ingest("orders")
    assert orders.quarantined("orders") == ([(2, "out_of_range", column)] if is_refused else [])
    assert len(orders.raw("orders")) == (not is_refused)


def test_bulk_history_has_no_day_of_delivery_to_be_held_to(shop: Shop) -> None:
    shop.map(orders="{uri: history.csv, format: csv}")
    shop.deliver("history.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP,2031-01-01", "o2,1999-07-01,paid,GBP,"]))
    shop.ingest("orders")
    assert shop.raw("orders", "order_id") == [("o1",)]
    assert shop.quarantined("orders") == [(3, "out_of_range", "ordered_at")]


def test_a_promise_may_lie_ahead_and_a_launch_far_back(shop: Shop) -> None:
    shop.map(shipments="{uri: 's/{ds}.csv', format: csv}", products="{uri: 'p/{ds}.csv', format: csv}")
    header = "shipment_id,order_id,carrier,shipped_at,promised_at,delivered_at"
    rows = ["s1,o1,c,2024-07-01,2024-09-01,", "s2,o1,c,2024-07-01,2024-07-03,2024-07-03"]
    shop.deliver("s/2024-07-01.csv", lines(header, rows))
    shop.deliver("p/2024-07-01.csv", lines("sku,title,is_active,launched_on", ["a,A,true,1995-06-01"]))
    shop.ingest("shipments")
    shop.ingest("products")
    assert shop.raw("shipments", "shipment_id") == [("s1",)]
    assert shop.quarantined("shipments") == [(3, "out_of_range", "delivered_at")]
    assert shop.raw("products", "launched_on") == [(date(1995, 6, 1),)]


def test_a_currency_is_one_of_iso_4217(orders: Shop) -> None:
    codes = ["GBP", "EUR", "JPY", "HRK", "QQQ", "XXX", "gbp", "GB"]
    orders.deliver("orders/2024-07-01.csv", lines(ORDERS, [f"{code},2024-07-01,paid,{code}," for code in codes]))
    orders.ingest("orders")
    # The kuna was money until 2023; XXX is the code for no currency at all.
    assert orders.raw("orders", "currency") == [("EUR",), ("GBP",), ("HRK",), ("JPY",)]
    assert orders.quarantined("orders") == [(line, "unknown_value", "currency") for line in (6, 7, 8, 9)]


def test_an_update_that_cannot_be_read_is_refused_and_one_that_is_missing_is_not(orders: Shop) -> None:
    rows = ["o1,2024-07-01,paid,GBP,2024-02-30", "o2,2024-07-01,paid,GBP,  "]
    orders.deliver("orders/2024-07-01.csv", lines(ORDERS, rows))
    orders.ingest("orders")
    assert orders.quarantined("orders") == [(2, "unparseable_value", "updated_at")]
    assert orders.raw("orders", "order_id, updated_at") == [("o2", datetime(2024, 7, 1, 11))]


def test_lines_of_json_are_counted_past_those_that_are_no_text(shop: Shop) -> None:
    shop.map(events="{uri: 'events/{ds}.jsonl', format: jsonl}")
    good = b'{"event_id":"%d","visitor_id":"v","occurred_at":"2024-07-01T09:00:00Z","event_type":"search"}\n'
    no_text, unknown = good.replace(b'"v"', b'"caf\xe9"'), good.replace(b"search", b"teleport")
    rows = [good % 1, no_text % 2, good % 3, unknown % 4, b"\n", no_text % 5, b"{\n", unknown % 6]
    days = [date(2024, 7, 1), date(2024, 7, 2)]
    for day in days:
        shop.deliver(f"events/{day}.jsonl", "").write_bytes(b"".join(rows))
    shop.ingest("events")
    expected = [
        (2, "malformed_line"),
        (4, "unknown_value"),
        (6, "malformed_line"),
        (7, "malformed_line"),
        (8, "unknown_value"),
    ]
    assert shop.quarantined("events", "ds, line, reason", "ds, line") == [
        (day, *refused) for day in days for refused in expected
    ]
    assert shop.raw("events", "event_id") == [("1",), ("1",), ("3",), ("3",)]
