"""A store changes its files without a word: what is new is noted once, what is gone is filled or stops the feed."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop import Shop, lines

from pipelines import ledger
from pipelines.errors import UsageError
from pipelines.home import Home
from pipelines.ingest import ingest


def _notes(shop: Shop, feed: str) -> list[str]:
    said: list[str] = []
    ingest(shop.settings, [feed], None, None, said.append)
    return [line for line in said if "rows" not in line]


def _daily(shop: Shop, headers: Sequence[str], rows: Sequence[str]) -> None:
    for number, (header, row) in enumerate(zip(headers, rows, strict=True), 1):
        shop.deliver(f"c/2024-07-0{number}.csv", lines(header, [row]))


def test_a_new_column_is_noted_once_and_not_read(shop: Shop) -> None:
    shop.map(customers="{uri: 'c/{ds}.csv', format: csv, select: {customer_id: id}}")
    _daily(shop, ["id,unused", "id,unused,vip\x1b[2J", "id,vip\x1b[2J"], ["1,x", "2,x,y", "3,y"])
    note = "customers: new column 'vip\\x1b[2J' in 2024-07-02.csv, not read by the mapping"
    assert _notes(shop, "customers") == [note]
    event = ledger.latest(Home(shop.root), "loads/customers")
    assert event is not None
    assert event["columns"] == ["id", "unused", "vip\x1b[2J"]
    shop.deliver("c/2024-07-04.csv", lines("id,vip\x1b[2J", ["4,y"]))
    assert _notes(shop, "customers") == []
    shop.deliver("c/2024-07-05.csv", lines("id,unused,age", ["5,x,9"]))
    assert _notes(shop, "customers") == ["customers: new column 'age' in 2024-07-05.csv, not read by the mapping"]
    assert len(shop.raw("customers")) == 5


def test_a_new_field_of_json_is_noted(shop: Shop) -> None:
    shop.map(customers="{uri: 'c/{ds}.jsonl', format: jsonl}")
    shop.deliver("c/2024-07-01.jsonl", '{"customer_id": "1"}\n{broken\n[1]\n')
    shop.deliver("c/2024-07-02.jsonl", '{"customer_id": "2"}\n{"customer_id": "3", "vip": true, "country": "GB"}\n')
    note = "customers: new column 'vip' in 2024-07-02.jsonl, not read by the mapping"
    assert _notes(shop, "customers") == [note]


def test_an_optional_column_that_is_gone_is_filled_with_null_and_noted_once(shop: Shop) -> None:
    shop.map(customers="{uri: 'c/{ds}.csv', format: csv, select: {customer_id: id, country: upper(land)}}")
    _daily(shop, ["id,land", "id", "id"], ["1,gb", "2", "3"])
    note = "customers: no column 'land' in 2024-07-02.csv; country filled with null"
    assert _notes(shop, "customers") == [note]
    assert shop.raw("customers", "customer_id, country") == [("1", "GB"), ("2", None), ("3", None)]
    shop.deliver("c/2024-07-04.csv", lines("id", ["4"]))
    assert _notes(shop, "customers") == []
    event = ledger.latest(Home(shop.root), "loads/customers")
    assert event is not None
    assert event["absent_columns"] == ["land"]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_required_column_that_is_gone_stops_the_feed_with_both_schemas(shop: Shop, format: str) -> None:
    shop.map(order_lines=f"{{uri: 'c/{{ds}}.{format}', format: {format}}}")
    good = {"order_line_id": "l", "order_id": "o", "sku": "s", "quantity": "1", "unit_price": "2"}
    bad = {name: value for name, value in good.items() if name != "sku"}
    for number, row in enumerate((good, bad), 1):
        path = shop.deliver(f"c/2024-07-0{number}.{format}", lines(",".join(row), [",".join(row.values())]))
        if format == "parquet":
            pq.write_table(pa.table({name: [value] for name, value in row.items()}), path)
    with pytest.raises(UsageError) as caught:
        shop.ingest("order_lines")
    assert str(caught.value) == (
        f"feeds.order_lines: no column 'sku' in 2024-07-02.{format}; expected order_line_id, order_id, sku, quantity, "
        "unit_price, discount_amount, cancelled_quantity, updated_at, is_deleted | "
        "found order_line_id, order_id, quantity, unit_price"
    )
    assert shop.raw("order_lines") == []


@pytest.mark.parametrize(
    "mapping",
    ["select: {customer_id: id, country: land}, where: land is not null", "select: {customer_id: 'concat(id, land)'}"],
)
def test_a_column_that_decides_which_rows_there_are_is_never_filled(shop: Shop, mapping: str) -> None:
    shop.map(customers=f"{{uri: c.csv, format: csv, {mapping}}}")
    shop.deliver("c.csv", lines("id", ["1"]))
    with pytest.raises(UsageError, match="no column 'land'"):
        shop.ingest("customers")


def test_a_default_does_not_stand_in_for_a_column_that_the_mapping_names(shop: Shop) -> None:
    select = "{order_line_id: l, order_id: l, sku: l, quantity: \"'1'\", unit_price: \"'1'\", discount_amount: rebate}"
    shop.map(order_lines=f"{{uri: 'c/{{ds}}.csv', format: csv, select: {select}}}")
    shop.deliver("c/2024-07-01.csv", lines("l", ["1"]))
    with pytest.raises(UsageError, match="no column 'rebate'"):
        shop.ingest("order_lines")


def test_a_number_that_is_gone_from_parquet_may_be_reckoned_with(shop: Shop) -> None:
    shop.map(
        customers="{uri: 'c/{ds}.parquet', format: parquet, select: {customer_id: id, country: upper(c), region: -n}}"
    )
    path = shop.deliver("c/2024-07-01.parquet", "")
    pq.write_table(pa.table({"id": [1]}), path)
    assert len(_notes(shop, "customers")) == 2
    assert shop.raw("customers", "customer_id, country, region") == [("1", None, None)]
