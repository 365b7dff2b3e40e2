"""What a store deletes is gone from the day it says so, was there before, and is there again when it comes back."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
from shop import Shop, lines

from pipelines import nights

ORDERS = "order_id,ordered_at,status,currency,is_deleted"
LINES = "order_line_id,order_id,sku,quantity,unit_price,is_deleted"
# Delivered by day: an order and its line are deleted on the second, and the order is delivered again on the third.
DAYS = {
    date(2024, 7, 1): (
        ["kept,2024-07-01,paid,GBP,", "gone,2024-07-01,paid,GBP,"],
        ["k1,kept,a,1,10,", "g1,gone,a,2,10,", "g2,gone,a,4,10,"],
    ),
    date(2024, 7, 2): (["gone,,,,true"], ["g1,,,,,true", "g2,,,,,true"]),
    date(2024, 7, 3): (["gone,2024-07-01,fulfilled,GBP,"], ["g1,gone,a,2,10,"]),
}


def _shop(root: Path) -> Shop:
    shop = Shop(root)
    daily = "{{uri: '{0}/{{ds}}.csv', format: csv}}"
    shop.map(**{feed: daily.format(feed) for feed in ("orders", "order_lines", "products")})
    for day, (orders, order_lines) in DAYS.items():
        shop.deliver(f"orders/{day}.csv", lines(ORDERS, orders))
        shop.deliver(f"order_lines/{day}.csv", lines(LINES, order_lines))
        shop.deliver(f"products/{day}.csv", lines("sku,title,is_active", ["a,A,true"]))
    return shop


def _facts(warehouse: Path) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        orders = connection.execute("select order_id, status, units::int from marts.fct_orders order by 1").fetchall()
        sales = connection.execute(
            "select sold_on, units::int from marts.fct_product_sales_daily where units > 0 order by 1"
        ).fetchall()
    return orders, sales


def test_a_deleted_order_is_there_before_gone_then_and_back_afterwards(tmp_path: Path) -> None:
    shop = _shop(tmp_path / "home")
    for feed in ("orders", "order_lines", "products"):
        assert shop.ingest(feed).rows_quarantined == 0
    found = {}
    for day in reversed(DAYS):
        nights.build(shop.settings, day, "nightshift test", print)
        name = "warehouse.duckdb" if day == max(DAYS) else f"warehouse.{day}.duckdb"
        found[day.day] = _facts(shop.root / name)
    nights.release(shop.settings, "nightshift test")
    first = date(2024, 7, 1)
    # 1 + 2 + 4 units are sold, all but one taken back, then two of them delivered again; always on the order's own day.
    assert found == {
        1: ([("gone", "paid", 6), ("kept", "paid", 1)], [(first, 7)]),
        2: ([("kept", "paid", 1)], [(first, 1)]),
        3: ([("gone", "fulfilled", 2), ("kept", "paid", 1)], [(first, 3)]),
    }
