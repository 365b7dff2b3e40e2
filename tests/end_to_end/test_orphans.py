"""A row whose reference does not come is told after some days, by night and by status, and kept until it comes."""

from __future__ import annotations

from datetime import date

import duckdb
from shop import Shop, lines

from pipelines import ledger, nights, status
from pipelines.home import Home

ORDERS = "order_id,ordered_at,status,currency"
LINES = "order_line_id,order_id,sku,quantity,unit_price,updated_at"
LAST = date(2024, 7, 5)


def _build(shop: Shop, as_of: date) -> list[str]:
    said: list[str] = []
    nights.build(shop.settings, as_of, "test", said.append)
    return [line for line in said if line.startswith("orphans: ")]


def test_a_line_without_its_order_is_told_when_it_is_overdue_and_forgotten_when_the_order_comes(shop: Shop) -> None:
    shop.map(
        orders="{uri: 'orders/{ds}.csv', format: csv}",
        order_lines="{uri: 'lines/{ds}.csv', format: csv}",
        products="{uri: 'products/{ds}.csv', format: csv}",
    )
    for day in range(1, 6):
        ds = f"2024-07-0{day}"
        shop.deliver(f"orders/{ds}.csv", lines(ORDERS, [f"O{day},{ds}T08:00:00Z,placed,GBP"]))
        # Every day a line of an order that is not there: on the 5th those of the 1st have waited four days.
        rows = [f"L{day},O{day},S,1,5,{ds}T08:00:00Z", f"X{day},Q{day},S,1,5,{ds}T09:00:00Z"]
        shop.deliver(f"lines/{ds}.csv", lines(LINES, rows))
        shop.deliver(f"products/{ds}.csv", lines("sku,title,is_active", ["S,Sock,true"]))
    for feed in ("orders", "order_lines", "products"):
        shop.ingest(feed)
    first = "first X1 (Q1 is not there after 4 days); see marts.mart_orphans"
    expected = f"orphans: 1 row of order_lines without their orders, {first}"
    assert _build(shop, LAST) == [expected]
    build = ledger.latest(Home(shop.root), "builds")
    assert build is not None
    assert [(pair["feed"], pair["referenced_feed"], pair["rows"]) for pair in build["orphans"]] == [
        ("order_lines", "orders", 1)
    ]
    assert expected in status.report(shop.settings).splitlines()
    with duckdb.connect(str(shop.root / "warehouse.duckdb"), read_only=True) as warehouse:
        orphans = warehouse.sql(
            "select row_id, days_waiting, is_overdue from marts.mart_orphans order by all"
        ).fetchall()
    # What the store does not deliver, as customers here, is not missed.
    assert orphans == [("X1", 4, True), ("X2", 3, False), ("X3", 2, False), ("X4", 1, False), ("X5", 0, False)]

    late = ["O5,2024-07-05T08:00:00Z,placed,GBP", "Q1,2024-07-01T09:00:00Z,placed,GBP"]
    shop.deliver("orders/2024-07-05.csv", lines(ORDERS, late))
    shop.ingest("orders")
    assert _build(shop, LAST) == []
    assert "orphans: " not in status.report(shop.settings)


def test_an_order_without_its_customer_is_told_and_the_customer_is_not_named(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}", customers="{uri: 'customers/{ds}.csv', format: csv}")
    columns = "order_id,customer_id,ordered_at,status,currency"
    shop.deliver("orders/2024-07-01.csv", lines(columns, ["O1,CUST-7734-Q,2024-07-01T08:00:00Z,placed,GBP"]))
    shop.deliver("customers/2024-07-01.csv", lines("customer_id,created_at", ["C1,2024-07-01T08:00:00Z"]))
    for feed in ("orders", "customers"):
        shop.ingest(feed)
    said = _build(shop, LAST)
    first = "first O1 (its customer is not there after 4 days); see marts.mart_orphans"
    assert said == [f"orphans: 1 row of orders without their customers, {first}"]
    assert said[0] in status.report(shop.settings).splitlines()
    assert not [path for path in (shop.root / "ledger").rglob("*.json") if "CUST-7734-Q" in path.read_text()]
