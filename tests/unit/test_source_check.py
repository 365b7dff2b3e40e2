"""`nightshift sources check` says what ingest would do with the first rows, of every feed, and leaves nothing."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from shop import Shop, lines

from pipelines.cli import cli
from pipelines.source_check import Refusal, check_sources

ORDERS = "order_id,ordered_at,status,currency,email"
DAILY_ORDERS = "{uri: 'orders/{ds}.csv', format: csv}"
GOOD = "o{},2024-07-01,paid,GBP,Ada@Example.org"


def _run(shop: Shop, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sources", "check", *arguments, "--home", str(shop.root)])


def _files(shop: Shop) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in shop.root.rglob("*") if path.is_file()}


def _orders(shop: Shop, good: int, bad: int) -> None:
    shop.map(orders=DAILY_ORDERS)
    rows = [GOOD.format(number) for number in range(good)] + [f"x{number},never,paid,GBP," for number in range(bad)]
    shop.deliver("orders/2024-07-02.csv", lines(ORDERS, rows))


def test_it_refuses_what_ingest_refuses_and_names_the_first_line_of_each_reason(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-01.csv", "an older delivery\n")
    rows = [
        "o1,2024-07-01,paid,GBP,",
        "o2,never,paid,GBP,",
        "o3,2024-07-01,paid,gbp,",
        "o4,never,paid,GBP,",
        "o5",
        "o1",
    ]
    shop.deliver("orders/2024-07-02.csv", lines(ORDERS, [*rows, "o1,2024-07-01,placed,GBP,"]))
    (feed,) = check_sources(shop.settings, ["orders"], 1_000).feeds
    file = "2024-07-02.csv"
    assert list(feed.refusals) == [
        Refusal("malformed_line", None, 2, file, 6),
        Refusal("unparseable_value", "ordered_at", 2, file, 3),
        Refusal("conflicting_key", "order_id", 1, file, 8),
        Refusal("unknown_value", "currency", 1, file, 4),
    ]
    (shop.settings.landing_folder / "orders/2024-07-01.csv").unlink()
    report = shop.ingest("orders")
    assert (feed.rows_in, feed.rows_loaded, feed.rows_quarantined) == (
        report.rows_in,
        report.rows_loaded,
        report.rows_quarantined,
    )


def test_it_reads_the_first_rows_only_and_a_record_may_span_lines(shop: Shop) -> None:
    shop.map(
        products="{uri: 'p/{ds}.csv.gz', format: csv, encoding: utf-16}",
        events="{uri: 'e/{ds}.jsonl', format: jsonl}",
        customers="{uri: 'c/{ds}.parquet', format: parquet}",
        orders=DAILY_ORDERS,
    )
    text = lines("sku,title,is_active", [f'{sku},"Two\nlines, ""a""",true' for sku in range(9)])
    shop.deliver("p/2024-07-01.csv.gz", "").write_bytes(gzip.compress(text.encode("utf-16")))
    event = '{{"event_id":"{}","visitor_id":"v","occurred_at":"2024-07-01","event_type":"search"}}\n'
    shop.deliver("e/2024-07-01.jsonl", "".join(event.format(number) for number in range(9)))
    pq.write_table(pa.table({"customer_id": list(range(9))}), shop.deliver("c/2024-07-01.parquet", ""))
    _orders(shop, good=5, bad=4)
    report = check_sources(shop.settings, [], 5)
    assert {check.feed: (check.rows_loaded, check.problem) for check in report.feeds} == dict.fromkeys(
        ("products", "events", "customers", "orders"), (5, "")
    )
    assert report.exit_status == 0


def test_personal_data_is_hashed_in_the_table_and_control_characters_are_visible(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    header = f"{ORDERS},channel,un\x1b[2Jmapped"
    shop.deliver("orders/2024-07-01.csv", lines(header, ["o1,2024-07-01,paid,GBP,Ada@Example.org,we\x1b[31mb,secret"]))
    done = _run(shop)
    assert done.exit_code == 0
    assert "ada@example" not in done.output.lower()
    assert "secret" not in done.output
    assert "\x1b" not in done.output
    assert r"we\x1b[31mb" in done.output
    assert r"not read by the mapping: un\x1b[2Jmapped" in done.output
    shop.ingest("orders")
    ((hashed,),) = shop.raw("orders", "email")
    assert f"{hashed[:8]}... (hashed)" in done.output
    assert "2024-07-01 11:00:00" in done.output


@pytest.mark.parametrize(("bad", "status"), [(20, 0), (21, 1)])
def test_the_limit_is_that_of_ingest(shop: Shop, bad: int, status: int) -> None:
    _orders(shop, good=100, bad=bad)
    done = _run(shop)
    assert done.exit_code == status
    assert f"refused: {bad} rows, unparseable_value ordered_at, such as 2024-07-02.csv line 102" in done.output


def test_every_feed_is_reported_and_nothing_is_written(shop: Shop) -> None:
    _orders(shop, good=2, bad=1)
    shop.map(
        customers="{uri: c.csv, format: csv, select: {customer_id: id, country: upperr(land), region: id}}",
        returns="{uri: 'r/{ds}.csv', format: csv}",
        shipments="{uri: s.csv, format: csv}",
        events="{uri: e.csv, format: csv, select: {event_id: upper(}}",
        order_lines="{uri: l.csv, format: csv, colour: red}",
        promotionz="{uri: x.csv, format: csv}",
    )
    shop.deliver("c.csv", lines("id,land", ["1,gb"]))
    shop.deliver("s.csv", lines("shipment_id,carrier", ["1,c"]))
    before = _files(shop)
    done = _run(shop)
    assert done.exit_code == 2
    assert _files(shop) == before
    assert not list((shop.root / "raw").iterdir())
    path = shop.settings.sources_file
    said = [line.strip() for line in done.output.splitlines()]
    assert [line for line in said if line.startswith("orders: ok; orders/2024-07-02.csv, first rows in 3 = loaded 2")]
    for start in (
        f"{path}: feeds.customers.select.country: Catalog Error: Scalar Function with name upperr does not exist",
        f"{path}: feeds.returns.uri: no file matches r/{{ds}}.csv in ",
        f"{path}: feeds.shipments: no column 'order_id' in s.csv; expected shipment_id, order_id,",
        f"nightshift: {path}: feeds.events.select.event_id: not a SQL expression",
        f"nightshift: {path}: feeds.order_lines.colour: Extra inputs",
        f"nightshift: {path}: feeds.promotionz: no such feed",
    ):
        assert len([line for line in said if line.startswith(start)]) == 1, start


def test_a_damaged_file_is_named_and_the_exit_status_is_1(shop: Shop) -> None:
    _orders(shop, good=2, bad=0)
    shop.map(customers="{uri: c.csv, format: csv}", shipments="{uri: s.csv, format: csv}")
    shop.deliver("c.csv", "customer_id\n1\n2")
    shop.deliver("s.csv", "shipment_id,order_id,carrier\r\n1,o,c\n2,o,c\r\n")
    done = _run(shop)
    assert done.exit_code == 1
    assert "c.csv: does not end with a newline" in done.output
    assert "shipments: s.csv: its lines end in different ways" in done.output
    assert "orders: ok" in done.output


def test_an_optional_column_that_is_missing_is_noted(shop: Shop) -> None:
    shop.map(customers="{uri: c.csv, format: csv, select: {customer_id: id, created_at: t, country: land}}")
    shop.deliver("c.csv", lines("id,t", ["1,2024-07-01"]))
    done = _run(shop, "customers")
    assert done.exit_code == 0
    assert "customers: no column 'land' in c.csv; country filled with null" in done.output


def test_a_store_that_fits_no_schema_at_all_is_one_line(shop: Shop) -> None:
    shop.settings.sources_file.write_text("version: 1\nstore: {name: s}\nfeeds: [orders]\n")
    done = _run(shop)
    assert done.exit_code == 2
    assert "feeds: Input should be a valid dictionary" in done.output
    assert _run(shop, "orders").exit_code == 2
