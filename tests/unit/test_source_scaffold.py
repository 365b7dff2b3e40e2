"""A draft made of a store's files says what is sure, marks what is not, and where nothing is missing it loads."""

from __future__ import annotations

import os
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from shop import Shop, lines

from pipelines.cli import cli
from pipelines.errors import UsageError
from pipelines.feeds import FEEDS
from pipelines.sources import load_sources


def _run(home: Path, *arguments: str) -> None:
    done = CliRunner().invoke(cli, [*arguments, "--home", str(home)])
    assert done.exit_code == 0, done.output


def _scaffold(shop: Shop, *files: Path | str, output: bool = True) -> Result:
    names = [str(shop.settings.landing_folder / file) for file in files]
    target = ["--output", str(shop.settings.sources_file)] if output else []
    return CliRunner().invoke(cli, ["sources", "scaffold", *names, *target, "--home", str(shop.root)])


def _drafted(shop: Shop, *files: Path | str) -> str:
    done = _scaffold(shop, *files)
    assert done.exit_code == 0, done.output
    return shop.settings.sources_file.read_text()


def _raw(home: Path) -> dict[str, list[tuple[object, ...]]]:
    return {
        feed: duckdb.sql(f"select * from read_parquet('{home}/raw/{feed}/ds=*/data.parquet') order by all").fetchall()
        for feed in FEEDS
    }


@pytest.mark.parametrize("format", ["text", "parquet"])
def test_the_draft_of_a_simulated_store_loads_the_same_rows_as_its_own_mapping(tmp_path: Path, format: str) -> None:
    home = tmp_path / "home"
    arguments = ("simulate", "--scale", "0.02", "--days", "10", "--first-day", "2025-01-01", "--format", format)
    _run(home, *arguments)
    _run(home, "ingest")
    expected = _raw(home)
    files = [next((home / "landing" / feed).glob("2025-01-03.*")) for feed in FEEDS]
    draft = tmp_path / "draft.yml"
    _run(home, "sources", "scaffold", *map(str, files), "--output", str(draft))
    other = tmp_path / "other"
    _run(other, "init")
    # Personal data has the same hash under the same key only.
    (other / "pii.key").write_bytes((home / "pii.key").read_bytes())
    _run(other, "ingest", "--sources", str(draft), "--landing", str(home / "landing"))
    assert _raw(other) == expected
    assert sum(map(bool, expected.values())) >= 8


def test_a_shop_system_export_in_its_own_words(shop: Shop) -> None:
    shop.deliver(
        "orders-2024-07-01.csv",
        lines(
            "Id,Created at,Financial Status,Currency,Customer ID,E-Mail,Notes",
            ["1,2024-07-01 10:00:00 +0200,Pending,EUR,7,a@b.c,x", "2,2024-07-01 11:00:00 +0200,complete,EUR,,,"],
        ),
    )
    shop.deliver(
        "items-2024-07-01.csv",
        lines("InvoiceNo,Line ID,StockCode,qty,price", ["1,1-1,A,2,9.99", "2,2-1,B,1,5"]),
    )
    text = _drafted(shop, "orders-2024-07-01.csv", "items-2024-07-01.csv")
    assert "uri: orders-{ds}.csv" in text
    assert "# columns of the file that nothing reads: Notes" in text
    assert "TODO required" not in text
    shop.ingest("orders")
    shop.ingest("order_lines")
    assert shop.raw("orders", "order_id, customer_id, ordered_at, status") == [
        ("1", "7", datetime(2024, 7, 1, 8), "placed"),
        ("2", None, datetime(2024, 7, 1, 9), "fulfilled"),
    ]
    assert shop.raw("order_lines", "order_id, order_line_id, sku, quantity, unit_price") == [
        ("1", "1-1", "A", Decimal("2.000"), Decimal("9.9900")),
        ("2", "2-1", "B", Decimal("1.000"), Decimal("5.0000")),
    ]


def test_a_european_export(shop: Shop) -> None:
    rows = ["1;Café;1.234,50;true;31.12.2023", "2;B;5,00;true;01.02.2024"]
    path = shop.deliver("catalog/2024-07-01.csv", "")
    path.write_bytes(lines("Article No;Name;Price;Active;Launch date", rows).encode("windows-1252"))
    text = _drafted(shop, "catalog/2024-07-01.csv")
    assert load_sources(shop.settings.sources_file).feeds["products"].model_dump(include={"delimiter", "encoding"}) == {
        "delimiter": ";",
        "encoding": "latin-1",
    }
    assert "other way round" not in text
    shop.ingest("products")
    assert shop.raw("products", "sku, title, list_price, launched_on") == [
        ("1", "Café", Decimal("1234.5000"), date(2023, 12, 31)),
        ("2", "B", Decimal("5.0000"), date(2024, 2, 1)),
    ]


def test_nested_json_is_mapped_by_path(shop: Shop) -> None:
    shop.deliver(
        "clicks/2024-07-01.jsonl",
        '{"event": {"id": "e1", "type": "search"}, "visitor": {"id": "v"}, "timestamp": "2024-07-01T09:00:00Z", '
        '"secret": {"a": 1}}\n',
    )
    text = _drafted(shop, "clicks/2024-07-01.jsonl")
    assert "event_id: event.id" in text
    assert "nothing reads: secret\n" in text
    shop.ingest("events")
    assert shop.raw("events", "event_id, visitor_id, event_type") == [("e1", "v", "search")]


def test_a_column_is_taken_once_and_only_where_its_values_fit(shop: Shop) -> None:
    rows = ["e1,v,2024-07-01T09:00:00Z,search,many,soon"]
    shop.deliver("clicks/2024-07-01.csv", lines("event_id,client_id,timestamp,action,qty,price", rows))
    text = _drafted(shop, "clicks/2024-07-01.csv")
    source = load_sources(shop.settings.sources_file).feeds["events"]
    assert source.select == {
        "event_id": "event_id",
        "visitor_id": "client_id",
        "occurred_at": "timestamp",
        "event_type": "action",
    }
    assert "nothing reads: qty, price" in text


def test_what_is_missing_or_unsure_is_marked(shop: Shop) -> None:
    header = "InvoiceNo,Description,InvoiceDate,Quantity,UnitPrice,StockCode"
    rows = ['536365,X,01/02/2010 08:26,6,"1,234",85123A', '536366,Y,03/04/2010 08:27,6,"2,500",71053']
    shop.deliver("retail.csv", lines(header, rows))
    shop.deliver("orders/20240701.csv", lines("order_id,created_at,status", ["1,01/02/2024,lost\x1b[2J"]))
    text = _drafted(shop, "retail.csv", "orders/20240701.csv")
    for comment in (
        "# TODO required: order_line_id (VARCHAR)",
        "# TODO bulk history is split by the day of its rows: map updated_at",
        "# TODO or is 1,234 a thousand here?",
        "# columns of the file that nothing reads: Description, InvoiceDate",
        "# TODO day and month of ordered_at could be the other way round",
        r"# TODO status holds values that the contract does not know: lost\x1b[2J",
        "# TODO required: currency (a code such as ",
        "# a day in a file's name is written YYYY-MM-DD",
    ):
        assert comment in text
    with pytest.raises(UsageError, match="the required column order_line_id is not mapped"):
        load_sources(shop.settings.sources_file)


def test_a_snapshot_of_typed_rows_gets_a_day_and_loads(shop: Shop) -> None:
    path = shop.deliver("stock.parquet", "")
    table = {"StockCode": ["a"], "Qty on hand": [3.0], "incoming": [0], "seen": [datetime(2024, 7, 1)]}
    pq.write_table(pa.table(table), path)
    os.utime(path, (0, datetime(2024, 7, 3, 12).timestamp()))
    assert "ds: 2024-07-03  # TODO" in _drafted(shop, "stock.parquet")
    shop.ingest("inventory")
    assert shop.raw("inventory", "ds, sku, location_id, on_hand") == [(date(2024, 7, 3), "a", "main", Decimal("3.000"))]


def test_names_that_sql_or_yaml_would_misread_are_quoted(shop: Shop) -> None:
    header = 'customer id,"na""me",on,"x: y\x1b\n# z"'
    shop.deliver("customers/2024-07-01/customers-2024-07-01.csv", lines(header, ["1,n,true,z"]))
    text = _drafted(shop, "customers/2024-07-01/customers-2024-07-01.csv")
    source = load_sources(shop.settings.sources_file).feeds["customers"]
    assert source.uri == "customers/*/customers-{ds}.csv"
    assert source.select == {"customer_id": '"customer id"'}
    assert r'na"me, on, x: y\x1b\n# z' in text


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0)])
def test_the_file_that_resembles_a_feed_more_is_taken_and_the_others_are_named(
    shop: Shop, order: tuple[int, ...]
) -> None:
    shop.deliver("a/2024-07-01.csv", lines("customer_id", ["1"]))
    for day in (1, 2):
        shop.deliver(f"b/2024-07-0{day}.csv", lines("customer_id,email", ["1,x"]))
    shop.deliver("c/readme.csv", lines("colour,taste", ["red,sour"]))
    files = ("a/2024-07-01.csv", "b/2024-07-01.csv", "b/2024-07-02.csv")
    done = _scaffold(shop, *(files[place] for place in order), "c/readme.csv")
    assert done.exit_code == 0
    assert load_sources(shop.settings.sources_file).feeds["customers"].uri == "b/{ds}.csv"
    notes = [line for line in shop.settings.sources_file.read_text().splitlines() if line.startswith("# ")][1:]
    assert notes == [
        "# a/{ds}.csv: left out, b/{ds}.csv resembles customers more",
        "# readme.csv: it resembles no feed",
    ]


def test_a_file_that_is_there_is_kept_and_standard_output_is_the_default(shop: Shop) -> None:
    shop.deliver("customers.csv", lines("customer_id,created_at", ["1,2024-07-01"]))
    shop.settings.sources_file.write_text("mine")
    done = _scaffold(shop, "customers.csv")
    assert isinstance(done.exception, UsageError)
    assert shop.settings.sources_file.read_text() == "mine"
    shown = _scaffold(shop, "customers.csv", output=False)
    assert shown.stdout.startswith("# Drafted by")
    assert "customer_id: customer_id" in shown.stdout


def test_files_elsewhere_are_mapped_below_their_own_folder(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    file = tmp_path / "drop" / "customers.csv"
    file.write_text(lines("customer_id,created_at", ["1,2024-07-01"]))
    text = _drafted(shop, file)
    assert "uri: customers.csv" in text
    assert f"# The uris are below {tmp_path / 'drop'}" in text


def test_files_that_resemble_nothing_are_no_draft(shop: Shop) -> None:
    shop.deliver("x.csv", lines("colour,taste", ["red,sour"]))
    assert "none of the 1 files resembles a feed" in str(_scaffold(shop, "x.csv").exception)
    assert not shop.settings.sources_file.exists()
