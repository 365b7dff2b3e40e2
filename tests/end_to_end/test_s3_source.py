"""Deliveries from an S3 store: the rows of a local folder, nothing fetched twice, nothing half taken in."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer
from shop import Shop, lines

from pipelines import ledger, markers, nights
from pipelines.errors import NightshiftError
from pipelines.home import Home

ORDERS = "order_id,ordered_at,status,currency"
BUCKET = "shop-drops"
SECRET = "wJalrXUtnFEMIsecret"  # as in AWS's own examples; no store knows it
DAYS = [date(2024, 7, 1), date(2024, 7, 2)]


class Store:
    """A bucket on a real server, and what was asked of it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self.client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    requests.post(f"{server}/moto-api/reset", timeout=10)
    monkeypatch.setenv("NIGHTSHIFT_S3_ENDPOINT", server)
    return Store(server)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the objects downloaded so far."""
    from pipelines import fetch_s3

    keys: list[str] = []
    plain = fetch_s3._copy
    monkeypatch.setattr(
        fetch_s3, "_copy", lambda store, stored, path: (keys.append(stored.key), plain(store, stored, path))
    )
    return keys


def _drop(number: int, day: date) -> bytes:
    rows = [f"o{number}-{row},{day}T1{row}:00:00Z,paid,GBP" for row in range(5)]
    return gzip.compress(lines(ORDERS, [*rows, "bad,never,paid,GBP"]).encode(), mtime=0)


def _raw_bytes(shop: Shop) -> dict[str, str]:
    folders = [shop.root / "raw", shop.root / "quarantine"]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.parquet"))]
    return {str(path.relative_to(shop.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _mapped(shop: Shop, uri: str, format: str = "csv") -> Shop:
    shop.map(orders=f"{{uri: '{uri}', format: {format}}}")
    return shop


def _loads(shop: Shop) -> int:
    return len(list(ledger.events(Home(shop.root), "loads/orders")))


@pytest.mark.parametrize("pattern", ["orders/{ds}.csv.gz", "*/{ds}.csv.gz", "**/{ds}.csv.gz", "orders/*.csv.gz"])
def test_objects_load_to_the_same_bytes_as_the_same_files(
    shop: Shop, store: Store, tmp_path: Path, pattern: str
) -> None:
    local = Shop(tmp_path / "local")
    for number, day in enumerate(DAYS):
        name = f"orders/{day}.csv.gz"
        store.put(name, _drop(number, day))
        path = local.settings.landing_folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_drop(number, day))
    store.put("orders/2024-07-01.csv.gz.md5", b"no delivery")
    store.put("orders/", b"")
    expected = _mapped(local, pattern).ingest("orders")

    report = _mapped(shop, f"s3://{BUCKET}/{pattern}").ingest("orders")
    assert (report.status, report.rows_in, report.rows_loaded, report.rows_quarantined) == ("loaded", 12, 10, 2)
    assert report == expected
    assert _raw_bytes(shop) == _raw_bytes(local) != {}
    assert not list((shop.root / "spool").rglob("*.gz"))


def test_what_is_unchanged_is_neither_fetched_nor_loaded(shop: Shop, store: Store, fetched: list[str]) -> None:
    for number, day in enumerate(DAYS):
        store.put(f"orders/{day}.csv.gz", _drop(number, day))
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv.gz").ingest("orders")
    assert sorted(fetched) == [f"orders/{day}.csv.gz" for day in DAYS]
    fetched.clear()
    assert shop.ingest("orders").status == "unchanged"
    assert fetched == []
    size = len(_drop(1, DAYS[1]))
    text = lines(ORDERS, ["new,2024-07-02,paid,GBP"]).encode()
    # As long as the one it replaces: gzip lets a file name of any length stand in its header.
    plain = gzip.compress(text, mtime=0)
    replacement = plain[:3] + b"\x08" + plain[4:10] + b"n" * (size - len(plain) - 1) + b"\0" + plain[10:]
    assert len(replacement) == size
    store.put(f"orders/{DAYS[1]}.csv.gz", replacement)
    assert (shop.ingest("orders").days, fetched) == (1, [f"orders/{DAYS[1]}.csv.gz"])
    assert [row for row in shop.raw("orders", "order_id, ds", "order_id") if row[1] == DAYS[1]] == [("new", DAYS[1])]
    assert len(shop.raw("orders")) == 6
    assert _loads(shop) == 2


def test_only_the_days_asked_for_are_fetched_and_a_missing_one_is_late(
    shop: Shop, store: Store, fetched: list[str]
) -> None:
    for number, day in enumerate(DAYS):
        store.put(f"orders/{day}.csv.gz", _drop(number, day))
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv.gz")
    assert nights.last_complete_day(shop.settings) == DAYS[1]
    assert fetched == []
    assert nights.missing_feeds(shop.settings, DAYS[1]) == ["orders"]
    shop.ingest("orders", first=DAYS[1], last=DAYS[1])
    assert fetched == [f"orders/{DAYS[1]}.csv.gz"]
    assert nights.missing_feeds(shop.settings, DAYS[1]) == []
    later = shop.ingest("orders", first=date(2024, 7, 3), last=date(2024, 7, 3))
    assert (later.status, later.late_days) == ("late", (date(2024, 7, 3),))
    assert later.message == f"no file for s3://{BUCKET}/orders/{{ds}}.csv.gz"
    assert nights.missing_feeds(shop.settings, date(2024, 7, 3)) == ["orders"]


def test_a_range_of_days_is_found_whole(shop: Shop, store: Store) -> None:
    for day in ("2024-06-29", "2024-06-30", "2024-07-01", "2024-07-02"):
        store.put(f"orders/{day}.csv.gz", _drop(1, date.fromisoformat(day)))
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv.gz")
    assert shop.ingest("orders", first=date(2024, 6, 30), last=DAYS[0]).days == 2
    assert shop.ingest("orders", first=date(2024, 6, 1)).days == 2


def _marked(shop: Shop, declares: str) -> Shop:
    complete = f"complete: {{marker: 's3://{BUCKET}/done/{{ds}}', declares: {declares}}}"
    shop.map(orders=f"{{uri: 's3://{BUCKET}/orders/{{ds}}*', format: csv, {complete}}}")
    return shop


def test_an_object_is_late_until_its_marker_is_there_and_has_the_rows_it_declares(
    shop: Shop, store: Store, fetched: list[str]
) -> None:
    _marked(shop, "rows")
    store.put(f"orders/{DAYS[0]}.csv.gz", _drop(0, DAYS[0]))
    assert shop.ingest("orders", first=DAYS[0], last=DAYS[0]).status == "late"
    assert fetched == []
    store.put(f"done/{DAYS[0]}", b"7")
    with pytest.raises(NightshiftError) as caught:
        shop.ingest("orders")
    assert str(caught.value) == (
        "s3://shop-drops/done/2024-07-01 declares 7 rows, the delivery has 6; deliver it again"
    )
    store.put(f"done/{DAYS[0]}", b"6\n")
    store.put(f"done/{DAYS[1]}", b"0\n")
    assert nights.last_complete_day(shop.settings) == DAYS[1]
    assert (shop.ingest("orders").days, len(shop.raw("orders"))) == (2, 5)
    fetched.clear()
    store.put(f"done/{DAYS[0]}", b" 6 ")
    assert (shop.ingest("orders").status, fetched) == ("unchanged", [])


def test_objects_have_the_hashes_that_their_marker_declares(shop: Shop, store: Store) -> None:
    _marked(shop, "sha256")
    body = _drop(0, DAYS[0])
    store.put(f"orders/{DAYS[0]}.csv.gz", body)
    line = "{}  orders/{}.csv.gz\n"
    store.put(f"done/{DAYS[0]}", line.format("0" * 64, DAYS[0]).encode())
    with pytest.raises(
        NightshiftError, match=r"^s3://shop-drops/orders/2024-07-01\.csv\.gz: its SHA-256 is not the one"
    ):
        shop.ingest("orders")
    store.put(f"done/{DAYS[0]}", line.format(hashlib.sha256(body).hexdigest(), DAYS[0]).encode())
    assert shop.ingest("orders").rows_loaded == 5


def test_an_object_is_taken_once_it_has_not_changed_for_so_long(
    shop: Shop, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.map(orders=f"{{uri: 's3://{BUCKET}/orders/{{ds}}.csv.gz', format: csv, complete: {{stable_seconds: 3600}}}}")
    store.put(f"orders/{DAYS[0]}.csv.gz", _drop(0, DAYS[0]))
    assert shop.ingest("orders").status == "late"
    later = time.time() + 3660
    monkeypatch.setattr(markers, "time", SimpleNamespace(time=lambda: later))
    assert shop.ingest("orders").rows_loaded == 5


def test_the_marker_of_a_folder_is_no_delivery(shop: Shop, store: Store) -> None:
    store.put("bulk/", b"")
    store.put("bulk/orders", lines(ORDERS, ["o1,2024-07-01,paid,GBP"]).encode())
    assert _mapped(shop, f"s3://{BUCKET}/bulk/*").ingest("orders").rows_loaded == 1


def test_a_truncated_object_is_refused_by_name(shop: Shop, store: Store) -> None:
    store.put("orders/2024-07-01.csv.gz", _drop(0, DAYS[0])[:-9])
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv.gz")
    with pytest.raises(NightshiftError, match=r"^orders/2024-07-01\.csv\.gz: damaged archive"):
        shop.ingest("orders")
    assert shop.raw("orders") == []
    assert not list((shop.root / "spool").rglob("*.gz"))


def _told(shop: Shop) -> str:
    with pytest.raises(NightshiftError) as caught:
        shop.ingest("orders")
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in text
    assert "AKIA" not in text
    assert re.match("feeds.orders: '?s3://", text)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__, "a log would show boto3's own text"
    return text


def test_what_goes_wrong_is_named_in_one_line(
    shop: Shop, store: Store, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _mapped(shop, "s3://other-bucket/orders/{ds}.csv.gz")
    assert _told(shop) == "feeds.orders: s3://other-bucket/orders/{ds}.csv.gz: there is no such bucket"
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv.gz")
    requests.post(f"{server}/moto-api/reset-auth", data="0", timeout=10)
    try:
        assert "access denied (InvalidAccessKeyId)" in _told(shop)
    finally:
        requests.post(f"{server}/moto-api/reset-auth", data="inf", timeout=10)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "no credentials; set AWS_ACCESS_KEY_ID" in _told(shop)


def test_no_network_is_named_in_one_line(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("NIGHTSHIFT_S3_ENDPOINT", f"http://127.0.0.1:{port}")
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv.gz")
    assert "the store cannot be reached" in _told(shop)


def test_nothing_of_the_credentials_is_written(shop: Shop, store: Store) -> None:
    store.put("orders/2024-07-01.csv.gz", _drop(0, DAYS[0]))
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv.gz").ingest("orders")
    files = [path for path in shop.root.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes() or b"AKIA" in path.read_bytes()] == []
    (event,) = ledger.events(Home(shop.root), "loads/orders")
    (stamp,) = event["partitions"][0]["files"]
    body = _drop(0, DAYS[0])
    assert stamp == {
        "name": f"s3://{BUCKET}/orders/2024-07-01.csv.gz",
        "bytes": len(body),
        "etag": hashlib.md5(body).hexdigest(),
    }


@pytest.mark.parametrize("key", ["orders/../../../evil/2024-07-01.csv.gz", "orders//2024-07-01.csv.gz"])
def test_a_key_that_leaves_the_spool_is_refused(shop: Shop, store: Store, key: str) -> None:
    store.put(key, _drop(0, DAYS[0]))
    _mapped(shop, f"s3://{BUCKET}/**/{{ds}}.csv.gz")
    assert "its key is no plain path" in _told(shop)


class _Liar(BaseHTTPRequestHandler):
    """A store that lists one size and sends another, or breaks off the first time."""

    body = lines(ORDERS, ["o1,2024-07-01,paid,GBP"]).encode()
    listed = len(body)
    breaks_left = 0

    def do_GET(self) -> None:
        if "list-type" in self.path:
            entry = (
                f"<Key>orders/2024-07-01.csv</Key><LastModified>2024-07-01T00:00:00Z</LastModified>"
                f"<ETag>&quot;e1&quot;</ETag><Size>{self.listed}</Size>"
            )
            return self._answer(f"<ListBucketResult><Contents>{entry}</Contents></ListBucketResult>".encode())
        if type(self).breaks_left:
            type(self).breaks_left -= 1
            return self._answer(self.body, sent=10)
        return self._answer(self.body)

    def _answer(self, body: bytes, sent: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Liar]]:
    class Liar(_Liar):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NIGHTSHIFT_S3_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    yield Liar
    server.shutdown()
    server.server_close()


def test_an_object_of_another_size_than_listed_is_refused(shop: Shop, liar: type[_Liar]) -> None:
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv")
    liar.listed = len(liar.body) + 1
    assert f"{len(liar.body)} bytes came of {len(liar.body) + 1}" in _told(shop)
    assert shop.raw("orders") == []


@pytest.mark.parametrize(("breaks", "is_loaded"), [(2, True), (3, False)])
def test_a_download_that_breaks_off_is_read_again(shop: Shop, liar: type[_Liar], breaks: int, is_loaded: bool) -> None:
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv")
    liar.breaks_left = breaks
    if is_loaded:
        assert shop.ingest("orders").rows_loaded == 1
    else:
        assert "s3://shop-drops/orders/2024-07-01.csv: the store cannot be reached or breaks off" in _told(shop)


def test_an_object_replaced_between_listing_and_download_is_refused(
    shop: Shop, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines import fetch_s3

    store.put("orders/2024-07-01.csv.gz", _drop(0, DAYS[0]))
    plain = fetch_s3.download

    def replaced(*arguments: Any) -> None:
        store.put("orders/2024-07-01.csv.gz", _drop(1, DAYS[0]))
        plain(*arguments)

    monkeypatch.setattr(fetch_s3, "download", replaced)
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv.gz")
    assert "it changed while it was fetched" in _told(shop)


def test_the_spool_holds_one_batch_at_a_time(shop: Shop, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines import ingest as ingestion

    for number, day in enumerate(DAYS):
        store.put(f"orders/{day}.csv.gz", _drop(number, day))
    seen = []
    plain = ingestion.load

    def load(*arguments: Any) -> Any:
        seen.append(sorted(path.name for path in (shop.root / "spool").rglob("*.gz")))
        return plain(*arguments)

    monkeypatch.setattr(ingestion, "_BATCH_DAYS", 1)
    monkeypatch.setattr(ingestion, "load", load)
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.csv.gz").ingest("orders")
    assert seen == [[f"{day}.csv.gz"] for day in DAYS]


def test_other_formats_come_the_same_way(shop: Shop, store: Store, tmp_path: Path) -> None:
    row = {"order_id": "o1", "ordered_at": "2024-07-01T10:00:00Z", "status": "paid", "currency": "GBP"}
    store.put("orders/2024-07-01.jsonl", json.dumps(row).encode() + b"\n")
    _mapped(shop, f"s3://{BUCKET}/orders/{{ds}}.jsonl", "jsonl").ingest("orders")
    assert shop.raw("orders", "order_id") == [("o1",)]
