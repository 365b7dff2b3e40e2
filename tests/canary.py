"""A shop with every feed and one customer who stands out, and a search for that customer in every file of a home."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import zstandard
from shop import Shop, lines

FIRST = date(2024, 5, 1)
CANARY_DAYS, RETURN_DAY = (date(2024, 5, 4), date(2024, 5, 6)), date(2024, 5, 7)
CUSTOMER, EMAIL, PHONE = "CUST-7734-Q", "canary.bird@example.org", "+44 7700 900773"
VISITOR, REASON, NOTE = "visitor-canary-5521", "yellow feathers everywhere", "sings at dawn"
# As delivered, and as other notations have them.
CANARIES = (CUSTOMER, EMAIL, "canary.bird", "7700 900773", "7700900773", VISITOR, REASON, NOTE, "Canaryshire")
# Seen with the canary and with another customer: nobody's alone.
SHARED_VISITOR = "visitor-shared-1"

_MAPPING = {
    "orders": "{uri: 'orders/{ds}.csv.gz', format: csv}",
    "order_lines": "{uri: 'order_lines/{ds}.csv', format: csv}",
    "returns": "{uri: 'returns/{ds}.csv.zst', format: csv}",
    "customers": "{uri: 'customers/{ds}.jsonl', format: jsonl}",
    "shipments": "{uri: 'shipments/{ds}.csv', format: csv}",
    "events": "{uri: 'events/{ds}.jsonl.gz', format: jsonl}",
    "cart_messages": "{uri: 'cart_messages/{ds}.csv', format: csv}",
    "products": "{uri: products.csv, format: csv, ds: 2024-05-01}",
    "inventory": "{uri: inventory.parquet, format: parquet, ds: 2024-05-01}",
    "promotions": "{uri: promotions.csv, format: csv, ds: 2024-05-01}",
    "calendar": "{uri: calendar.csv, format: csv, ds: 2024-05-01}",
}


def canary_shop(root: Path, days: int = 8) -> Shop:
    """Two orders a day by other people; on two days the canary buys, and the day after the second it returns."""
    shop = Shop(root)
    shop.map(**_MAPPING)
    for day in (FIRST + timedelta(days=number) for number in range(days)):
        deliver_day(shop, day, is_canary_day=day in CANARY_DAYS, is_return_day=day == RETURN_DAY)
    shop.deliver("products.csv", lines("sku,title,is_active,unit_cost", ["s1,Cage,true,2", "s2,Seed,true,1"]))
    shop.deliver("promotions.csv", lines("promotion_id,sku,starts_on,ends_on", ["p1,s1,2024-05-05,2024-05-06"]))
    shop.deliver("calendar.csv", lines("date,location_id,is_open,event", ["2024-05-06,,false,holiday"]))
    stock = "select unnest(['s1', 's2']) as sku, 'main' as location_id, 5 as on_hand, 0 as on_order"
    duckdb.execute(f"copy ({stock}) to '{shop.settings.landing_folder}/inventory.parquet' (format parquet)")
    return shop


def deliver_day(shop: Shop, day: date, is_canary_day: bool, is_return_day: bool = False) -> None:
    """One day of every daily feed; on a canary day with orders, clicks, the row and refused rows of the canary."""
    orders = [f"{day}-{n},c{n},{day},paid,GBP,c{n}@example.org" for n in (1, 2)]
    order_lines = [f"{day}-{n}-1,{day}-{n},s{n},{n},5.00,{day}" for n in (1, 2)]
    people: list[dict[str, object]] = [
        {"customer_id": f"c{n}", "created_at": "2024-01-01", "updated_at": str(day)} for n in (1, 2)
    ]
    clicks = [_click(f"{day}-{n}", f"visitor-{n}", f"c{n}", day) for n in (1, 2)]
    returns: list[str] = []
    messages = [f"{day}-1,visitor-1,c1,{day},treatment"]
    broken = ""
    if is_canary_day:
        # A guest's order under the canary's address is the canary's.
        orders += [
            f"{day}-9,{CUSTOMER},{day},paid,GBP,{EMAIL.upper()}",
            f"{day}-8,,{day},paid,GBP,{EMAIL}",
            f"{day}-7,{CUSTOMER},never,paid,GBP,{EMAIL}",
        ]
        order_lines += [f"{day}-{n}-1,{day}-{n},s1,1,5.00,{day}" for n in (8, 9)]
        person = {"customer_id": CUSTOMER, "email": EMAIL, "phone": PHONE, "region": "Canaryshire"}
        dates = {"created_at": "2024-01-01", "updated_at": str(day)}
        people.append({**person, **dates, "attributes": {"note": NOTE, "mail": EMAIL}})
        clicks += [
            _click(f"{day}-9", VISITOR, CUSTOMER, day),
            _click(f"{day}-10", VISITOR, None, day, page_url=f"https://s.example/u/{EMAIL}", attributes={"note": NOTE}),
            _click(f"{day}-11", SHARED_VISITOR, CUSTOMER, day),
            _click(f"{day}-12", SHARED_VISITOR, "c1", day),
            _click(f"{day}-13", SHARED_VISITOR, None, day),
        ]
        messages.append(f"{day}-9,{VISITOR},{CUSTOMER},{day},treatment")
        broken = f'{{"event_id": "broken {VISITOR}\n'
    if is_return_day:
        bought = day - timedelta(days=1)
        returns = [f"r{n},{bought}-{n}-1,1,{REASON} {EMAIL},{day},received" for n in (8, 9)]
        returns.append(f"r1,{bought}-1-1,1,too small,{day},received")
    shop.deliver(f"orders/{day}.csv.gz", lines("order_id,customer_id,ordered_at,status,currency,email", orders))
    columns = "order_line_id,order_id,sku,quantity,unit_price,updated_at"
    shop.deliver(f"order_lines/{day}.csv", lines(columns, order_lines))
    columns = "return_id,order_line_id,quantity,reason,requested_at,status"
    shop.deliver(f"returns/{day}.csv.zst", "").write_bytes(zstandard.compress(lines(columns, returns).encode()))
    shop.deliver(f"shipments/{day}.csv", lines("shipment_id,order_id,carrier,shipped_at", [f"p{day},{day}-1,DX,{day}"]))
    columns = "cart_id,visitor_id,customer_id,assigned_at,experiment_group"
    shop.deliver(f"cart_messages/{day}.csv", lines(columns, messages))
    shop.deliver(f"customers/{day}.jsonl", "".join(json.dumps(person) + "\n" for person in people))
    shop.deliver(f"events/{day}.jsonl.gz", "".join(json.dumps(click) + "\n" for click in clicks) + broken)


def _click(event: str, visitor: str, customer: str | None, day: date, **more: object) -> dict[str, object]:
    own = {"event_id": event, "visitor_id": visitor, "customer_id": customer, "event_type": "page_view"}
    return {**own, "occurred_at": f"{day}T10:00:00Z", **more}


def mentions(root: Path, canaries: Sequence[str] = CANARIES) -> list[tuple[str, str]]:
    """File and value, for every file below a folder, whatever its format, that holds one of the values."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        texts = [text.lower() for text in _texts(path)]
        for canary in canaries:
            if any(canary.lower() in text for text in texts):
                found.append((path.relative_to(root).as_posix(), canary))
    return found


def _texts(path: Path) -> Iterator[str]:
    """The bytes as they are, and what they say when they are unpacked or opened."""
    content = path.read_bytes()
    yield content.decode("latin-1")
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content).decode("utf-8", "replace")
    elif content[:4] == b"\x28\xb5\x2f\xfd":
        yield zstandard.ZstdDecompressor().decompressobj().decompress(content).decode("utf-8", "replace")
    elif content[:4] == b"PAR1":
        yield str(pq.read_table(path, partitioning=None).to_pylist())
        yield str(pq.read_metadata(path).metadata)
    elif content[:15] == b"SQLite format 3":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            yield "\n".join(database.iterdump())
    elif content[8:12] == b"DUCK":
        with duckdb.connect(str(path), read_only=True) as database:
            tables = database.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            assert tables
            for schema, table in tables:
                yield str(database.execute(f'from "{schema}"."{table}"').fetchall())
