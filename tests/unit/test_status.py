"""`nightshift status` tells how fresh each feed and each published table is, on one screen."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from planted_published import publish
from shop import Shop, lines

from pipelines import published, status
from pipelines.home import Home

TODAY = datetime.now(UTC).date()


def _orders(shop: Shop, *days: date) -> None:
    for day in days:
        shop.deliver(f"orders/{day}.csv", lines("order_id,ordered_at,status,currency", [f"{day},{day},paid,GBP"]))


def _line(report: str, beginning: str) -> str:
    (line,) = [line for line in report.splitlines() if line.startswith(beginning)]
    return line


def test_a_feed_tells_its_last_day_and_how_many_it_is_behind(shop: Shop) -> None:
    shop.timezone = "UTC"
    shop.map(
        orders="{uri: 'orders/{ds}.csv', format: csv}",
        customers="{uri: people.csv, format: csv}",
        events="{uri: 'events/{ds}.csv', format: csv}",
    )
    last = TODAY - timedelta(days=4)
    _orders(shop, last - timedelta(days=1), last)
    shop.deliver("people.csv", lines("customer_id,created_at", ["c1,2020-01-01"]))
    shop.ingest("orders")
    shop.ingest("customers")
    report = status.report(shop.settings)
    # Of the days after the last one three are over: today is not.
    assert _line(report, "orders ").split()[1:4] == ["2", str(last - timedelta(days=1)), str(last)]
    assert _line(report, "orders ").split()[6:8] == ["0.0", "3"]
    # History that came at once is never behind, and what never came says so.
    assert _line(report, "customers ").split()[6:8] == ["0.0", "-"]
    assert _line(report, "events ").split()[1:] == ["0", "-", "-", "never", "-", "-", "0", "0", "0"]
    _orders(shop, TODAY - timedelta(days=1))
    shop.ingest("orders")
    assert _line(status.report(shop.settings), "orders ").split()[7] == "0"


def test_published_tables_tell_their_rows_and_their_day(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    assert "published: nothing yet; run: nightshift publish" in status.report(shop.settings)
    home = Home(shop.root)
    publish(home, date(2026, 3, 1))
    rows = [f"('rows in marts.table_{number}', '{number * 1_000}')" for number in range(1, 6)]
    publish(home, date(2026, 3, 2), f"insert into meta values {', '.join(rows)}")
    report = status.report(shop.settings)
    hours = (datetime.now(UTC) - datetime(2026, 3, 2, 23, tzinfo=UTC)) / timedelta(hours=1)
    head = _line(report, "published as of")
    assert head.startswith("published as of 2026-03-02, complete, ")
    assert abs(float(head.split(", ")[2].split()[0].replace(",", "")) - hours) < 1
    assert head.endswith("; kept: 2026-03-01, 2026-03-02")
    # Five tables in three columns, read downwards.
    shown = " ".join(_line(report, "marts.table_1").split()), " ".join(_line(report, "marts.table_2").split())
    assert shown[0] == "marts.table_1 1,000 marts.table_3 3,000 marts.table_5 5,000"
    assert shown[1] == "marts.table_2 2,000 marts.table_4 4,000"


def test_a_damaged_published_file_is_told_and_the_rest_still_shown(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    published.newest(Home(shop.root)).write_bytes(b"no database")
    report = status.report(shop.settings)
    assert "warehouse.duckdb cannot be read (" in report
    assert "warehouse: not built yet" in report
