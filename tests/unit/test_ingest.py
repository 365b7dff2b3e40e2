"""Every delivered row is loaded, a duplicate, or in quarantine with its reason."""

from __future__ import annotations

import gzip
import hashlib
import hmac
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard
from shop import Shop, lines

from pipelines import ledger
from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home
from pipelines.sources import load_sources
from pipelines.warehouse import Warehouse

DAILY_ORDERS = "{uri: 'orders/{ds}.csv', format: csv}"
ORDERS = "order_id,ordered_at,status,currency,updated_at"
DAY = date(2024, 7, 1)


def test_each_bad_row_is_refused_for_its_own_reason(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver(
        "orders/2024-07-01.csv",
        lines(
            ORDERS,
            [
                "good,2024-07-01T10:00:00Z,paid,GBP,",  # line 2
                ",2024-07-01T10:00:00Z,paid,GBP,",  # 3: the key is missing
                "o3,yesterday,paid,GBP,",  # 4: no instant
                "o4,2024-07-01T10:00:00Z,lost,GBP,",  # 5: no such status
                "o5,2024-07-01T10:00:00Z,paid,pounds,",  # 6: no ISO 4217 code
                "o6,1824-07-01T10:00:00Z,paid,GBP,",  # 7: two hundred years ago
                "o7,2024-07-01T10:00:00Z",  # 8: columns are missing
                "o8,2024-07-01T10:00:00Z,paid,GBP,,extra",  # 9: one column too many
            ],
        ),
    )
    report = shop.ingest("orders")
    assert shop.quarantined("orders") == [
        (3, "missing_value", "order_id"),
        (4, "unparseable_value", "ordered_at"),
        (5, "unknown_value", "status"),
        (6, "unknown_value", "currency"),
        (7, "out_of_range", "ordered_at"),
        (8, "malformed_line", None),
        (9, "malformed_line", None),
    ]
    assert shop.raw("orders", "order_id") == [("good",)]
    assert (report.rows_in, report.rows_loaded, report.rows_duplicate, report.rows_quarantined) == (
        8,
        1,
        0,
        7,
    )


def test_json_lines_are_judged_the_same(shop: Shop) -> None:
    shop.map(events="{uri: 'events/{ds}.jsonl', format: jsonl}")
    good = '{"event_id": "e1", "visitor_id": "v", "occurred_at": "2024-07-01T09:00:00Z", "event_type": "search"}'
    unknown = good.replace("e1", "e2").replace("search", "teleport")
    shop.deliver("events/2024-07-01.jsonl", "\n".join([good, "{not json", "[1, 2]", unknown, "", '"text"']) + "\n")
    shop.ingest("events")
    assert shop.quarantined("events") == [
        (2, "malformed_line", None),
        (3, "malformed_line", None),
        (4, "unknown_value", "event_type"),
        (6, "malformed_line", None),
    ]
    assert shop.raw("events", "event_id") == [("e1",)]


@pytest.mark.parametrize(
    ("text", "utc", "business_day"),
    [
        # British summer time is UTC+1: half past eleven at night, UTC, is already the next day in London.
        ("2024-07-01T23:30:00Z", datetime(2024, 7, 1, 23, 30), date(2024, 7, 2)),
        ("2024-01-01T23:30:00Z", datetime(2024, 1, 1, 23, 30), date(2024, 1, 1)),
        # An offset is honoured: 01:00 at +02:00 is 23:00 UTC the day before, midnight in London.
        ("2024-07-02T01:00:00+02:00", datetime(2024, 7, 1, 23, 0), date(2024, 7, 2)),
        # Without an offset it is the store's own clock.
        ("2024-07-01 10:00:00", datetime(2024, 7, 1, 9, 0), date(2024, 7, 1)),
        # A date where an instant is due means noon in the store.
        ("2024-07-01", datetime(2024, 7, 1, 11, 0), date(2024, 7, 1)),
    ],
)
def test_instants_become_utc_and_the_store_decides_the_day(
    shop: Shop, text: str, utc: datetime, business_day: date
) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-02.csv", lines(ORDERS, [f"o1,{text},paid,GBP,"]))
    shop.ingest("orders")
    # A missing updated_at is the row's own instant.
    assert shop.raw("orders", "ordered_at, updated_at, business_date, known_on, ds") == [
        (utc, utc, business_day, date(2024, 7, 2), date(2024, 7, 2))
    ]


def test_the_latest_state_of_a_key_wins_and_contradictions_are_refused(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver(
        "orders/2024-07-01.csv",
        lines(
            ORDERS,
            [
                "o1,2024-07-01T10:00:00Z,placed,GBP,2024-07-01T10:00:00Z",
                "o1,2024-07-01T10:00:00Z,paid,GBP,2024-07-01T11:00:00Z",
                "o2,2024-07-01T10:00:00Z,placed,GBP,",
                "o2,2024-07-01T10:00:00Z,placed,GBP,",
                "o3,2024-07-01T10:00:00Z,placed,GBP,2024-07-01T10:00:00Z",
                "o3,2024-07-01T10:00:00Z,paid,GBP,2024-07-01T10:00:00Z",
            ],
        ),
    )
    report = shop.ingest("orders")
    assert shop.raw("orders", "order_id, status") == [("o1", "paid"), ("o2", "placed"), ("o3", "placed")]
    assert shop.quarantined("orders") == [(7, "conflicting_key", "order_id")]
    # 6 in = 3 loaded + 2 duplicates (the older state of o1, the second o2) + 1 in quarantine.
    assert (report.rows_in, report.rows_loaded, report.rows_duplicate, report.rows_quarantined) == (
        6,
        3,
        2,
        1,
    )


def test_personal_data_is_hashed_at_the_door_and_masked_in_quarantine(shop: Shop) -> None:
    shop.map(customers="{uri: 'customers/{ds}.csv', format: csv}")
    shop.deliver(
        "customers/2024-07-01.csv",
        lines(
            "customer_id,email,phone,created_at",
            [
                "c1,  Ada@Example.org ,+44 20 7946 0958,2024-07-01",
                ",bob@example.org,+44 20 7946 0959,2024-07-01",
            ],
        ),
    )
    shop.ingest("customers")
    key = bytes.fromhex(Home(shop.root).key_file.read_text())

    def keyed(text: str) -> str:
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    assert shop.raw("customers", "email, phone") == [(keyed("ada@example.org"), keyed("+44 20 7946 0958"))]
    ((text,),) = shop.quarantined("customers", "raw_text", "raw_text")
    assert "bob" not in text
    assert "7946" not in text
    assert "[email]" in text


def test_another_key_is_refused(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP,"]))
    shop.ingest("orders")
    Home(shop.root).key_file.write_text("00" * 32)
    with pytest.raises(NightshiftError, match="restore that key"):
        shop.ingest("orders")


def test_query_strings_of_pages_are_dropped(shop: Shop) -> None:
    shop.map(events="{uri: 'events/{ds}.jsonl', format: jsonl}")
    event = '{"event_id":"e","visitor_id":"v","occurred_at":"2024-07-01T09:00:00Z","event_type":"search",'
    shop.deliver("events/2024-07-01.jsonl", event + '"page_url":"https://shop.example/find?email=a@b.org#top"}\n')
    shop.ingest("events")
    assert shop.raw("events", "page_url") == [("https://shop.example/find",)]


def test_loading_twice_changes_nothing_and_a_redelivery_replaces_its_day(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-02.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP,", "o2,2024-07-02,paid,GBP,"]))
    assert shop.ingest("orders").status == "loaded"
    before = (shop.root / "raw/orders/ds=2024-07-02/data.parquet").read_bytes()
    assert shop.ingest("orders").status == "unchanged"
    assert shop.ingest("orders", again=True).status == "loaded"
    assert (shop.root / "raw/orders/ds=2024-07-02/data.parquet").read_bytes() == before

    shop.deliver("orders/2024-07-02.csv", lines(ORDERS, ["o3,2024-07-03,paid,GBP,"]))
    assert shop.ingest("orders").status == "loaded"
    assert shop.raw("orders", "order_id") == [("o3",)]
    event = ledger.latest(Home(shop.root), "loads/orders")
    assert event is not None
    # The day it brought and the two days whose rows it took away.
    assert event["partitions"][0]["touched"] == ["2024-07-01", "2024-07-02", "2024-07-03"]


def test_a_missing_file_is_late_and_an_empty_one_is_a_day_without_rows(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-01.csv", ORDERS + "\n")
    report = shop.ingest("orders", first=DAY, last=date(2024, 7, 2))
    assert (report.status, report.days, report.rows_in) == ("loaded", 1, 0)
    assert report.late_days == (date(2024, 7, 2),)
    assert list(ledger.partitions(Home(shop.root), "orders")) == [DAY]


def test_a_feed_that_is_not_mapped_is_off(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    assert shop.ingest("events").status == "off"


def test_too_many_refused_rows_fail_the_day_and_load_nothing(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    rows = [f"o{n},2024-07-01,paid,GBP," for n in range(100)] + [f"x{n},never,paid,GBP," for n in range(21)]
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, rows))
    with pytest.raises(
        NightshiftError, match=r"21 of 121 rows refused.*unparseable_value ordered_at 21; see .*refused"
    ):
        shop.ingest("orders")
    assert shop.raw("orders") == []
    assert ledger.partitions(Home(shop.root), "orders") == {}
    # 20 refused rows are within the limit of 20, whatever their share.
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, rows[:-1]))
    assert shop.ingest("orders").rows_loaded == 100


def test_bulk_history_is_split_by_the_day_of_its_rows(shop: Shop) -> None:
    shop.map(
        orders="{uri: history.csv, format: csv}",
        order_lines="{uri: lines.csv, format: csv}",
    )
    shop.deliver(
        "history.csv",
        lines(
            f"{ORDERS},cancelled_at",
            [
                "o1,2024-07-01,paid,GBP,,",
                "o2,2024-07-02,cancelled,GBP,2024-07-02,2024-07-05",
                "o3,when?,paid,GBP,,",
            ],
        ),
    )
    shop.ingest("orders")
    assert shop.raw("orders", "ds, order_id, known_on, is_known_on_approximate") == [
        (date(2024, 7, 1), "o1", date(2024, 7, 1), True),
        (date(2024, 7, 2), "o2", date(2024, 7, 5), True),
    ]
    # A row without a readable day lies with the history's last day.
    assert shop.quarantined("orders", "ds, line, reason") == [(date(2024, 7, 2), 4, "unparseable_value")]

    shop.deliver("lines.csv", lines("order_line_id,order_id,sku,quantity,unit_price,updated_at", ["l1,o1,s,1,2,"]))
    shop.ingest("order_lines")
    assert shop.quarantined("order_lines") == [(2, "missing_value", "updated_at")]


def test_bulk_history_without_a_row_has_no_day(shop: Shop) -> None:
    shop.map(orders="{uri: history.csv, format: csv}")
    shop.deliver("history.csv", ORDERS + "\n")
    report = shop.ingest("orders")
    assert (report.status, report.message, report.days) == ("unchanged", "nothing new", 0)
    assert ledger.latest(Home(shop.root), "loads/orders") is None


def test_expressions_see_the_whole_delivery_before_where_drops_rows(shop: Shop) -> None:
    highest = "'max(p) over (partition by o)'"
    select = f"{{order_line_id: id, order_id: o, sku: s, quantity: q, unit_price: {highest}, updated_at: t}}"
    shop.map(order_lines=f"{{uri: 'l/{{ds}}.csv', format: csv, select: {select}, where: \"s <> 'POST'\"}}")
    shop.deliver("l/2024-07-01.csv", lines("id,o,s,q,p,t", ["1,a,x,2,3.5,2024-07-01", "2,a,POST,1,9,2024-07-01"]))
    report = shop.ingest("order_lines")
    assert shop.raw("order_lines", "order_line_id, quantity, unit_price, discount_amount") == [
        ("1", Decimal("2.000"), Decimal("9.0000"), Decimal("0.00"))
    ]
    assert (report.rows_in, report.rows_excluded) == (1, 1)


def test_a_column_the_file_does_not_have_is_named(shop: Shop) -> None:
    shop.map(customers="{uri: 'c/{ds}.csv', format: csv, select: {customer_id: key, country: land}}")
    shop.deliver("c/2024-07-01.csv", lines("id,country", ["1,GB"]))
    message = r"feeds\.customers: no column 'key' in 2024-07-01\.csv; expected key, land \| found id, country"
    with pytest.raises(UsageError, match=message):
        shop.ingest("customers")


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _flip_crc(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(("damage", "message"), [(_truncate, "damaged archive"), (_flip_crc, "damaged archive")])
def test_a_damaged_archive_is_refused_by_name(shop: Shop, damage: object, message: str) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv.gz', format: csv}")
    path = shop.deliver("orders/2024-07-01.csv.gz", lines(ORDERS, [f"o{n},2024-07-01,paid,GBP," for n in range(500)]))
    damage(path)  # type: ignore[operator]
    with pytest.raises(NightshiftError, match=rf"orders/2024-07-01\.csv\.gz: {message}"):
        shop.ingest("orders")
    assert shop.raw("orders") == []


def test_a_text_file_cut_in_the_middle_of_a_line_is_refused(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP,"])[:-1])
    with pytest.raises(NightshiftError, match="does not end with a newline"):
        shop.ingest("orders")


def test_an_archive_that_unpacks_without_end_is_refused(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv.gz', format: csv}")
    path = shop.settings.landing_folder / "orders/2024-07-01.csv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(ORDERS.encode() + b"\n" + b"0" * (80 << 20) + b"\n", 9))
    with pytest.raises(NightshiftError, match="refused as a bomb"):
        shop.ingest("orders")


def test_a_link_out_of_the_landing_folder_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.map(orders=DAILY_ORDERS)
    secret = tmp_path / "secret.csv"
    secret.write_text(lines(ORDERS, ["o1,2024-07-01,paid,GBP,"]))
    link = shop.settings.landing_folder / "orders/2024-07-01.csv"
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    with pytest.raises(NightshiftError, match="link out of the landing folder"):
        shop.ingest("orders")


def test_lines_behind_a_quotation_mark_that_is_never_closed_are_not_lost_in_silence(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    rows = ["o1,2024-07-01,paid,GBP,", 'o2,"2024-07-01,paid,GBP,', *[f"x{n},2024-07-01,paid,GBP," for n in range(300)]]
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, rows))
    with pytest.raises(NightshiftError, match=r"2024-07-01\.csv: 300 of its lines vanish .* near line 3"):
        shop.ingest("orders")


def test_line_ends_and_empty_lines_within_quotes_are_part_of_their_value(shop: Shop) -> None:
    shop.map(products="{uri: 'p/{ds}.csv', format: csv}")
    shop.deliver("p/2024-07-01.csv", 'sku,title,is_active\na,"Two\nlines",true\n\nb,"One, ""quoted""",false\n')
    assert shop.ingest("products").rows_loaded == 2
    assert shop.raw("products", "sku, title") == [("a", "Two\nlines"), ("b", 'One, "quoted"')]


def test_a_zstd_file_whose_last_frame_breaks_off_is_refused(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv.zst', format: csv}")
    first, second = (
        zstandard.compress(text.encode())
        for text in (
            lines(ORDERS, ["o1,2024-07-01,paid,GBP,"]),
            "".join(f"o{n},2024-07-01,paid,GBP,\n" for n in range(2, 900)),
        )
    )
    path = shop.deliver("orders/2024-07-01.csv.zst", "")
    path.write_bytes(first + second)
    assert shop.ingest("orders").rows_loaded == 899
    path.write_bytes(first + second[: len(second) // 2])
    with pytest.raises(NightshiftError, match=r"2024-07-01\.csv\.zst: damaged archive \(its last frame breaks off\)"):
        shop.ingest("orders")


def test_a_new_bulk_history_replaces_the_old_one_and_may_return_to_it(shop: Shop) -> None:
    shop.map(orders="{uri: history.csv, format: csv}")
    old = lines(ORDERS, ["o1,2024-07-01,paid,GBP,", "o2,2024-07-02,paid,GBP,"])
    shop.deliver("history.csv", old)
    shop.ingest("orders")
    shop.deliver("history.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP,", "o9,2024-07-01,paid,GBP,"]))
    shop.ingest("orders")
    assert shop.raw("orders", "order_id") == [("o1",), ("o9",)]
    event = ledger.latest(Home(shop.root), "loads/orders")
    assert event is not None
    assert [entry["touched"] for entry in event["partitions"]] == [["2024-07-01"], ["2024-07-02"]]
    shop.deliver("history.csv", old)
    assert shop.ingest("orders").status == "loaded"
    assert shop.raw("orders", "order_id") == [("o1",), ("o2",)]


def test_quarantine_keeps_no_column_that_is_not_mapped_and_no_query_string(shop: Shop) -> None:
    shop.map(
        orders=DAILY_ORDERS,
        events="{uri: 'events/{ds}.jsonl', format: jsonl}",
    )
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS + ",mobile", ["o1,never,paid,GBP,,+44 7700 900123"]))
    event = '{"event_id":"e","visitor_id":"v","occurred_at":"never","event_type":"search","mobile":"+44 7700 900124",'
    shop.deliver(
        "events/2024-07-01.jsonl", event + '"page_url":"https://shop.example/a?token=SECRET"}\n{broken +447700900125\n'
    )
    shop.ingest("orders")
    shop.ingest("events")
    texts = [text for feed in ("orders", "events") for (text,) in shop.quarantined(feed, "raw_text", "raw_text")]
    assert len(texts) == 3
    assert not [text for text in texts if "7700" in text or "SECRET" in text]


def test_a_raw_file_that_the_ledger_does_not_know_stops_the_build(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP,"]))
    shop.ingest("orders")
    stray = shop.root / "raw/orders/ds=2024-06-30/data.parquet"
    stray.parent.mkdir()
    stray.write_bytes((shop.root / "raw/orders/ds=2024-07-01/data.parquet").read_bytes())
    store = load_sources(shop.settings.sources_file).store
    warehouse = Warehouse(Home(shop.root), shop.settings, store, DAY)
    with pytest.raises(NightshiftError, match=r"ds=2024-06-30/data\.parquet is not in the ledger"):
        warehouse.build(lambda line: None)
    stray.unlink()
    known = shop.root / "raw/orders/ds=2024-07-01/data.parquet"
    content = bytearray(known.read_bytes())
    content[100] ^= 1
    known.write_bytes(bytes(content))
    with pytest.raises(NightshiftError, match="is not what the ledger recorded"):
        warehouse.build(lambda line: None)


def test_a_damaged_raw_partition_is_loaded_again_and_touches_what_it_held(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    header = "order_id,ordered_at,status,currency"
    shop.deliver("orders/2024-07-02.csv", lines(header, ["o1,2024-07-01,paid,GBP", "o2,2024-07-02,paid,GBP"]))
    shop.ingest("orders")
    path = shop.root / "raw" / "orders" / "ds=2024-07-02" / "data.parquet"
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1]):
        path.write_bytes(damaged)
        shop.ingest("orders", again=True)
        assert path.read_bytes() == whole
    # The second delivery has no row of 1 July any more: the day it had one of is touched all the same.
    path.write_bytes(whole[:100])
    shop.deliver("orders/2024-07-02.csv", lines(header, ["o2,2024-07-02,paid,GBP"]))
    shop.ingest("orders")
    (part,) = ledger.partitions(Home(shop.root), "orders").values()
    assert part.touched == ("2024-07-01", "2024-07-02")


def test_a_file_named_after_a_day_that_does_not_exist_is_named(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-02-30.csv", lines(ORDERS, []))
    with pytest.raises(NightshiftError, match=r"orders/2024-02-30\.csv: 2024-02-30 is no day"):
        shop.ingest("orders")
