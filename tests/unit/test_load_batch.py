"""How a batch is loaded leaves no trace in what is loaded: neither the days beside a day nor the way it was read."""

from __future__ import annotations

from datetime import date

import pytest
from shop import Shop, lines

from pipelines import batch_reading
from pipelines.home import Home
from pipelines.ledger import partitions

HEADER = "order_line_id,order_id,sku,quantity,unit_price,discount_amount"
# More than a row group of Parquet (122,880 rows), so that its bounds could fall elsewhere.
LARGE = 130_000
# Written together with others, five at a time; one row more, and the day is written alone.
MIDDLING = 9_999
ROWS = {3: LARGE, **dict.fromkeys(range(4, 10), MIDDLING), 10: MIDDLING + 1}


def test_a_day_has_the_same_bytes_alone_and_in_a_batch(shop: Shop) -> None:
    shop.map(order_lines="{uri: 'lines/{ds}.csv.gz', format: csv}")
    days = [date(2024, 7, day) for day in range(1, 12)]
    for day in days:
        count = ROWS.get(day.day, 10)
        # Delivered in falling order of their keys, which are unique.
        rows = [f"{day.day:02}-{number:06},o,s,1,2.50,0" for number in range(count, 0, -1)]
        shop.deliver(f"lines/{day}.csv.gz", lines(HEADER, rows))
    for day in days:
        shop.ingest("order_lines", first=day, last=day)
    alone = {ds: part.sha256 for ds, part in partitions(Home(shop.root), "order_lines").items()}
    shop.ingest("order_lines", again=True)
    together = {ds: part.sha256 for ds, part in partitions(Home(shop.root), "order_lines").items()}
    assert together == alone
    order = "ds, file_row_number"
    keys = [key for (key,) in shop.raw("order_lines", "order_line_id", order)]
    assert keys == sorted(keys)
    assert len(keys) == LARGE + 6 * MIDDLING + (MIDDLING + 1) + 3 * 10


def test_good_lines_of_json_are_never_parsed_one_by_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def long_way(*arguments: object) -> str:
        raise AssertionError("the long way is for files with a line that is no JSON")

    monkeypatch.setattr(batch_reading, "delivered_relation", long_way)
    shop.map(orders="{uri: 'orders/{ds}.jsonl.gz', format: jsonl}")
    line = '{"order_id": "o1", "ordered_at": "2024-07-01T10:00:00Z", "status": "paid", "currency": "GBP"}\n'
    shop.deliver("orders/2024-07-01.jsonl.gz", line)
    assert shop.ingest("orders").rows_loaded == 1
    shop.deliver("orders/2024-07-01.jsonl.gz", line + "no JSON\n")
    with pytest.raises(AssertionError, match="the long way"):
        shop.ingest("orders")
