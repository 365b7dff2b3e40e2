"""CSV files as stores elsewhere write them: their delimiter, encoding and numbers are declared, never guessed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard
from shop import Shop, lines

from pipelines.errors import NightshiftError, UsageError
from pipelines.sources import load_sources

HEADER = "order_line_id;order_id;sku;quantity;unit_price;discount_amount;updated_at"
STORE = "version: 1\nstore: {name: s, timezone: Europe/London, currency: GBP, country: GB}\nfeeds: {customers: "


def _order_lines(shop: Shop, options: str, prices: list[str]) -> list[tuple[str, Decimal]]:
    shop.map(order_lines=f"{{uri: l.csv, format: csv, delimiter: ';', {options}}}")
    rows = [f'l{number};o;s;1;"{price}";0;2024-07-01' for number, price in enumerate(prices, 1)]
    shop.deliver("l.csv", lines(HEADER, rows))
    shop.ingest("order_lines")
    return shop.raw("order_lines", "order_line_id, unit_price")


def test_a_decimal_comma_is_read_and_a_point_beside_it_refused(shop: Shop) -> None:
    prices = ["12,50", "3", "1.50", "1.234,50", ",5", "one"]
    assert _order_lines(shop, "decimal: ','", prices) == [
        ("l1", Decimal("12.5000")),
        ("l2", Decimal("3.0000")),
        ("l5", Decimal("0.5000")),
    ]
    assert shop.quarantined("order_lines") == [(line, "unparseable_value", "unit_price") for line in (4, 5, 7)]


def test_thousands_are_groups_of_three(shop: Shop) -> None:
    prices = ["1.234,50", "1.234.567", "1.50", "12.34,5", "1234,5", "1.234.56"]
    assert _order_lines(shop, "decimal: ',', thousands: '.'", prices) == [
        ("l1", Decimal("1234.5000")),
        ("l2", Decimal("1234567.0000")),
        ("l5", Decimal("1234.5000")),
    ]
    assert [line for line, _, _ in shop.quarantined("order_lines")] == [4, 5, 7]


@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), ("'", "."), (" ", ","), ("\u00a0", ",")])
def test_other_thousands_separators(shop: Shop, separator: str, decimal: str) -> None:
    options = f'thousands: "{separator}", decimal: "{decimal}"'
    read = _order_lines(shop, options, [f"1{separator}234{decimal}5", f"1{separator}2"])
    assert read == [("l1", Decimal("1234.5000"))]


def test_a_number_that_an_expression_computes_has_no_notation(shop: Shop) -> None:
    price = "replace(price, ',', '.')::DOUBLE / 8"
    select = f'{{order_line_id: id, order_id: id, sku: id, quantity: "1", unit_price: "{price}", updated_at: t}}'
    shop.map(order_lines=f"{{uri: l.csv, format: csv, delimiter: \"\\t\", decimal: ',', select: {select}}}")
    shop.deliver("l.csv", "id\tprice\tt\nl\t10,0\t2024-07-01\n")
    shop.ingest("order_lines")
    assert shop.raw("order_lines", "unit_price") == [(Decimal("1.2500"),)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize(
    ("codec", "encoding"),
    [
        ("latin-1", "latin-1"),
        ("windows-1252", "windows-1252"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "utf-16"),
        ("utf-8-sig", "utf-8"),
    ],
)
def test_an_encoding_that_is_declared_is_read(
    shop: Shop, codec: str, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    suffix = {gzip.compress: ".gz", zstandard.compress: ".zst"}.get(pack, "")
    shop.map(products=f"{{uri: 'p/{{ds}}.csv{suffix}', format: csv, encoding: {encoding}}}")
    euro = "" if codec == "latin-1" else " \u20ac" if codec == "windows-1252" else " \u20ac \U0001f9e6"
    text = lines("sku,title,is_active", [f"é,Café{euro},true", 'b,"Two\nlines",true', "c,C,perhaps", "d"])
    path = shop.deliver(f"p/2024-07-01.csv{suffix}", "")
    path.write_bytes(pack(text.encode(codec)))
    assert shop.ingest("products").rows_loaded == 2
    assert shop.raw("products", "sku, title", "sku") == [("b", "Two\nlines"), ("é", f"Café{euro}")]
    # The quoted line end leaves the lines of the file uncounted, apart from the one DuckDB names itself.
    assert shop.quarantined("products", "file, reason", "reason") == [
        (path.name, "malformed_line"),
        (path.name, "unparseable_value"),
    ]


def test_a_file_in_another_encoding_than_declared_is_named(shop: Shop) -> None:
    shop.map(products="{uri: 'p/{ds}.csv', format: csv, encoding: utf-16}")
    path = shop.deliver("p/2024-07-01.csv", "")
    path.write_bytes("sku,title,is_active\na,A,true\n".encode("utf-16")[:-1])
    with pytest.raises(NightshiftError, match=r"p/2024-07-01\.csv: is not in utf-16, which its mapping declares"):
        shop.ingest("products")


def test_an_archive_bomb_in_another_encoding_is_refused_before_it_is_copied(shop: Shop) -> None:
    shop.map(products="{uri: 'p/{ds}.csv.gz', format: csv, encoding: latin-1}")
    path = shop.deliver("p/2024-07-01.csv.gz", "")
    path.write_bytes(gzip.compress(b"0" * (80 << 20) + b"\n", 9))
    with pytest.raises(NightshiftError, match="refused as a bomb"):
        shop.ingest("products")
    assert not list(shop.root.glob("raw/products/.staging"))


@pytest.mark.parametrize(
    "text", ["sku,title,is_active\r\na,A,true\nb,B,true\r\n", "sku,title,is_active\na,A\rB,true\n"]
)
def test_mixed_line_ends_are_named_in_one_line_with_the_remedy(shop: Shop, text: str) -> None:
    shop.map(products="{uri: 'p/{ds}.csv', format: csv}")
    shop.deliver("p/2024-06-30.csv", "sku,title,is_active\n")
    shop.deliver("p/2024-07-01.csv", text)
    with pytest.raises(NightshiftError) as caught:
        shop.ingest("products")
    assert str(caught.value).startswith("products: 2024-07-01.csv: its lines end in different ways")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("format: jsonl, decimal: ','", "feeds.customers: decimal is for csv"),
        ("format: csv, decimal: ',', thousands: ','", "feeds.customers: thousands and decimal cannot both be ','"),
        ("format: csv, delimiter: ';;'", "feeds.customers.delimiter"),
        ("format: csv, delimiter: '\"'", "feeds.customers.delimiter"),
        ("format: csv, encoding: ebcdic", "feeds.customers.encoding"),
    ],
)
def test_a_dialect_that_cannot_be_is_refused(tmp_path: Path, options: str, message: str) -> None:
    path = tmp_path / "sources.yml"
    path.write_text(STORE + "{uri: c.csv, " + options + "}}")
    with pytest.raises(UsageError) as caught:
        load_sources(path)
    assert message in str(caught.value)
