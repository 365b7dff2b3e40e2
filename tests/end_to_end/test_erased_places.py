"""An erased person leaves the database and the store that exports went to; the receipt tells what is left to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import duckdb
import psycopg
import pytest
import requests
from moto.server import ThreadedMotoServer
from ops_database import VARIABLE, emptied, running_server
from planted_exports import COLUMNS, export_planted, folder_of, plant
from shop import Shop

from pipelines import export_delivery
from pipelines.erasure import Receipt, erase
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.sinks.places import places

BUCKET, URI = "ops-exports", "s3://ops-exports/night"
D1 = date(2025, 3, 1)
D2 = D1 + timedelta(days=1)
# key: customer. c-1 is erased; its row of the key `a` goes, those of the others stay.
NIGHTS = {D1: {"a": "c-1", "b": "c-2"}, D2: {"a": "c-1", "b": "c-2", "c": None}}
VACUUM = "what was changed lies in its files until its next vacuum, and in its back-ups"
VERSIONS = "former versions of its objects, where the bucket keeps them, are left to it"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """The addresses of a PostgreSQL and an S3 server."""
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    with running_server() as database:
        yield database, f"http://{host}:{port}"
    store.stop()


@pytest.fixture
def uri(servers: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    database, store = servers
    uri = emptied(database)
    for name, value in {
        VARIABLE: uri,
        "NIGHTSHIFT_EXPORT_CONNECTION": "ops",
        "NIGHTSHIFT_EXPORT_URI": URI,
        "NIGHTSHIFT_S3_ENDPOINT": store,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{store}/moto-api/reset", timeout=10)
    boto3.client("s3", endpoint_url=store, region_name="us-east-1").create_bucket(Bucket=BUCKET)
    return uri


@pytest.fixture
def shop(tmp_path: Path, uri: str) -> Shop:
    """A home whose two nights were delivered to both places."""
    shop = Shop(tmp_path / "home")
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    home = Home(shop.root)
    for day, customers in NIGHTS.items():
        plant(home, day, [(key, day.day, "1.00", None) for key in customers], COLUMNS | {"customer_id": "VARCHAR"})
        with duckdb.connect(str(home.warehouse)) as connection:
            for key, customer in customers.items():
                connection.execute("update exports.exp_plan set customer_id = ? where key = ?", [customer, key])
        report = export_planted(home, day)
        assert not export_delivery.deliver(home, [report.path.parent], places(home, Settings.load(shop.root)), print)
    for path in home.root.glob("warehouse*"):
        path.unlink()
    return shop


def _erase(shop: Shop) -> Receipt:
    receipt, path = erase(Settings.load(shop.root), "c-1", "nightshift 1", False, lambda line: None)
    told = json.loads(path.read_text())
    assert (told["sinks"], told["remains"]) == (receipt.sinks, receipt.remains)
    return receipt


def _customers(uri: str) -> dict[str, str | None]:
    with psycopg.connect(uri) as connection:
        return dict(connection.execute("select key, customer_id from nightshift.plan_v1").fetchall())


def _objects(servers: tuple[str, str]) -> dict[str, bytes]:
    client: Any = boto3.client("s3", endpoint_url=servers[1], region_name="us-east-1")
    listed = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {each["Key"]: client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in listed}


def _of_home(shop: Shop) -> dict[str, bytes]:
    exports = shop.root / "exports"
    return {f"night/{path.relative_to(exports)}": path.read_bytes() for path in exports.rglob("*") if path.is_file()}


def test_both_places_are_without_the_person(shop: Shop, uri: str, servers: tuple[str, str]) -> None:
    assert _customers(uri) == NIGHTS[D2]
    receipt = _erase(shop)
    assert _customers(uri) == {"b": "c-2", "c": None}
    assert _objects(servers) == _of_home(shop)
    for path in folder_of(Home(shop.root)).rglob("*.parquet"):
        if ".delta." not in path.name:
            read = f"from read_parquet('{path}', hive_partitioning=false) where customer_id = 'c-1'"
            assert duckdb.sql(f"select count(*) {read}").fetchall() == [(0,)]
    assert receipt.sinks == {
        "database ops: plan_v1": f"as of {D2}: 0 inserted, 0 updated, 1 deleted",
        # The manifest and the rows; latest.json names the newest night by the hash of its manifest.
        f"{URI}: plan/v1/as_of={D1}": "2 objects sent; latest.json stays at a newer night",
        f"{URI}: plan/v1/as_of={D2}": "3 objects sent",
    }
    assert receipt.remains == {"database ops": VACUUM, URI: VERSIONS}


def test_nights_that_are_not_kept_here_are_named(shop: Shop, uri: str) -> None:
    for day in (D1, D2):
        shutil.rmtree(folder_of(Home(shop.root)) / f"as_of={day}")
    (folder_of(Home(shop.root)) / "latest.json").unlink()
    receipt = _erase(shop)
    assert receipt.sinks == {}
    assert receipt.remains == {
        "database ops: plan_v1": f"it holds the night of {D2}, not kept here; erase the customer there",
        **{f"{URI}: plan/v1/as_of={day}": "the night is not kept here; delete its objects there" for day in (D1, D2)},
    }


def test_a_place_that_is_away_is_named_and_made_good_by_the_same_erasure_again(
    shop: Shop, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://ada:hunter2@127.0.0.1:1/ops")
    receipt = _erase(shop)
    assert [name for name in receipt.sinks if name.startswith("database")] == []
    why = "not reached, so it holds what it was given (exports: connection ops: the server cannot be reached"
    assert receipt.remains["database ops"].startswith(why)
    assert "hunter2" not in json.dumps(receipt.remains)
    monkeypatch.setenv(VARIABLE, uri)
    assert _erase(shop).sinks["database ops: plan_v1"] == f"as of {D2}: 0 inserted, 0 updated, 1 deleted"
    assert _customers(uri) == {"b": "c-2", "c": None}


def test_places_that_no_setting_names_any_more_are_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIGHTSHIFT_EXPORT_CONNECTION")
    monkeypatch.delenv("NIGHTSHIFT_EXPORT_URI")
    why = "exports were delivered there, no setting names it now; erase the customer there"
    assert _erase(shop).remains == {"database ops": why, URI: why}
