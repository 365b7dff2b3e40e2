"""Exports in an S3 store: the bytes of the home, `latest.json` last, nothing half visible, nothing sent twice."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import botocore.client
import pytest
import requests
from click.testing import CliRunner
from moto.server import ThreadedMotoServer
from planted_exports import Row, deliver, folder_of

from pipelines.cli import cli
from pipelines.errors import NightshiftError, UsageError
from pipelines.export_night import Night
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.sinks import s3
from pipelines.sinks.s3 import Sent

BUCKET, URI, SECRET = "ops-exports", "s3://ops-exports/from/night", "wJalrXUtnFEMIsecret"
D1, D2, D3 = (date(2025, 3, 1) + timedelta(days=n) for n in range(3))
NIGHTS: dict[date, list[Row]] = {
    D1: [("a", 1, "1.00", "low")],
    D2: [("a", 2, "1.00", "low"), ("b", 2, "2.00", None)],
    D3: [("b", 3, "2.00", None)],
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """An empty bucket."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "NIGHTSHIFT_S3_ENDPOINT": server,
        "NIGHTSHIFT_EXPORT_URI": URI,
    }.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{server}/moto-api/reset", timeout=10)
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three nights in files, with CSV; tests only read it."""
    home = Home.create(tmp_path_factory.mktemp("planted") / "home")
    for day, rows in NIGHTS.items():
        deliver(home, day, rows, settings=Settings(home=home.root, export_csv=True))
    return home


def _apply(home: Home, day: date, is_going_back: bool = False) -> Sent:
    night = Night(folder_of(home) / f"as_of={day}")
    return s3.apply(Settings.load(home=home.root), URI, night, is_going_back)


def _objects(client: Any) -> dict[str, bytes]:
    listed = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {each["Key"]: client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in listed}


def _files(home: Home, *days: date) -> dict[str, bytes]:
    """What the store should hold of a home, but for latest.json."""
    root = folder_of(home)
    paths = [root / "schema.json", root / "postgres.sql"]
    paths += [path for day in days for path in (root / f"as_of={day}").iterdir()]
    return {f"from/night/{path.relative_to(home.exports).as_posix()}": path.read_bytes() for path in paths}


LATEST = "from/night/plan/v1/latest.json"


def _newest(get: Callable[[str], bytes]) -> tuple[str, int]:
    """Day and rows of the night that latest.json names, proven as the reader's guide says."""
    latest = json.loads(get(LATEST))
    manifest = get(f"from/night/plan/v1/{latest['manifest']}")
    assert hashlib.sha256(manifest).hexdigest() == latest["manifest_sha256"]
    for file in json.loads(manifest)["files"]:
        rows = get(f"from/night/plan/v1/as_of={latest['as_of']}/{file['name']}")
        assert hashlib.sha256(rows).hexdigest() == file["sha256"]
    return latest["as_of"], json.loads(manifest)["row_count"]


def test_the_store_holds_the_bytes_of_the_home(home: Home, client: Any) -> None:
    # Schema, DDL, Parquet, CSV, manifest, latest; of the next night the delta as well, and no schema.
    assert _apply(home, D1) == Sent(6, True)
    assert _apply(home, D2) == Sent(5, True)
    objects = _objects(client)
    latest = json.loads(objects.pop(LATEST))
    assert objects == _files(home, D1, D2)
    local = json.loads((folder_of(home) / "latest.json").read_text())
    assert latest.keys() == local.keys()
    manifest = objects[f"from/night/plan/v1/as_of={D2}/manifest.json"]
    assert latest["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert _apply(home, D2) == Sent(0, True)


def test_an_earlier_night_is_stored_and_latest_stays_unless_going_back(home: Home, client: Any) -> None:
    _apply(home, D2)
    # Parquet, CSV and manifest.
    assert _apply(home, D1) == Sent(3, False)
    assert json.loads(_objects(client)[LATEST])["as_of"] == str(D2)
    said = CliRunner().invoke(cli, ["replay", "plan", "--as-of", str(D1), "--to", URI, "--home", str(home.root)])
    assert said.exit_code == 0
    assert _newest(lambda key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read()) == (str(D1), 1)
    listed = CliRunner().invoke(cli, ["export", "--list", "--home", str(home.root)]).stdout.splitlines()
    assert [line.partition("in files")[2] for line in listed] == [f", in {URI}", f", in {URI}", ""]


def test_a_night_delivered_again_leaves_nothing_of_the_one_before(tmp_path: Path, client: Any) -> None:
    home = Home.create(tmp_path / "home")
    for rows in (NIGHTS[D1], NIGHTS[D2]):
        deliver(home, D1, rows)
        _apply(home, D1)
    objects = _objects(client)
    del objects[LATEST]
    assert objects == _files(home, D1)


@contextmanager
def _at_requests(hook: Callable[[], None]) -> Iterator[None]:
    """Call `hook` before and after every request to the store."""
    plain = botocore.client.BaseClient._make_api_call

    def call(*arguments: Any) -> Any:
        hook()
        answer = plain(*arguments)
        hook()
        return answer

    with patch.object(botocore.client.BaseClient, "_make_api_call", call):
        yield


class _DiedError(BaseException):
    """The process was there no more: nothing of ours runs after it."""


def _check_cut_off(tmp_path: Path, client: Any, every: int) -> None:
    """A night replaces another one of its day, after a night before it: readers see one of the two, whole."""
    copy = Home.create(tmp_path / "home")
    for day, rows in ((D1, NIGHTS[D1]), (D2, NIGHTS[D3])):
        deliver(copy, day, rows)
        _apply(copy, day)
    before, manifest = _objects(client), f"from/night/plan/v1/as_of={D2}/manifest.json"
    deliver(copy, D2, NIGHTS[D2])
    requests_made = 0

    def count() -> None:
        nonlocal requests_made
        requests_made += 1

    with _at_requests(count):
        _apply(copy, D2)
    whole = _objects(client)
    assert requests_made > 20
    for fatal in range(1, requests_made + 1, every):
        for key in _objects(client).keys() - before.keys():
            client.delete_object(Bucket=BUCKET, Key=key)
        for key, content in before.items():
            client.put_object(Bucket=BUCKET, Key=key, Body=content)
        calls = iter(range(1, requests_made + 1))

        def die(calls: Iterator[int] = calls, fatal: int = fatal) -> None:
            if next(calls) == fatal:
                raise _DiedError

        with _at_requests(die), pytest.raises(_DiedError):
            _apply(copy, D2)
        seen = _objects(client)
        # The manifest replaced, latest.json not yet: the guide's reader waits for the two to agree.
        is_between = seen[manifest] != before[manifest] and seen[LATEST] == before[LATEST]
        if not is_between:
            assert _newest(seen.__getitem__) in ((str(D2), 1), (str(D2), 2)), fatal
        _apply(copy, D2)
        assert _objects(client) == whole, fatal


def test_cut_off_at_some_requests_and_sent_again(tmp_path: Path, client: Any) -> None:
    _check_cut_off(tmp_path, client, every=6)


@pytest.mark.campaign
def test_cut_off_at_every_request_and_sent_again(tmp_path: Path, client: Any) -> None:
    _check_cut_off(tmp_path, client, every=1)


def _check_polled(tmp_path: Path, client: Any, nights: int) -> None:
    home, failures = Home.create(tmp_path / "home"), list[BaseException]()
    seen: list[tuple[str, int]] = []
    is_over = threading.Event()

    def get(key: str) -> bytes:
        content: bytes = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def poll() -> None:
        while not is_over.is_set():
            try:
                seen.append(_newest(get))
            except BaseException as error:
                failures.append(error)
                return

    days = [D1 + timedelta(days=number) for number in range(nights)]
    for number, day in enumerate(days):
        deliver(home, day, [(f"k{key}", number, "1.00", None) for key in range(number + 1)])
        _apply(home, day)
        if number == 0:
            reader = threading.Thread(target=poll)
            reader.start()
    is_over.set()
    reader.join()
    assert failures == []
    assert set(seen) <= {(str(day), number + 1) for number, day in enumerate(days)}
    assert seen == sorted(seen)


def test_a_reader_of_the_store_never_finds_half_a_night(tmp_path: Path, client: Any) -> None:
    _check_polled(tmp_path, client, nights=5)


@pytest.mark.campaign
def test_a_reader_of_the_store_through_fifty_nights(tmp_path: Path, client: Any) -> None:
    _check_polled(tmp_path, client, nights=50)


def test_what_the_store_refuses_is_one_line_without_secrets(
    home: Home, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.delete_bucket(Bucket=BUCKET)
    with pytest.raises(NightshiftError) as caught:
        _apply(home, D1)
    assert str(caught.value) == f"export plan as of {D1}: {URI}: there is no such bucket"
    monkeypatch.setenv("NIGHTSHIFT_S3_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(NightshiftError, match=r"the store cannot be reached or breaks off \(EndpointConnectionError\)"):
        _apply(home, D1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(NightshiftError, match="no credentials; set AWS_ACCESS_KEY_ID"):
        _apply(home, D1)


def test_a_damaged_file_never_reaches_the_store(tmp_path: Path, client: Any) -> None:
    report = deliver(Home.create(tmp_path / "home"), D1, NIGHTS[D1])
    report.path.write_bytes(report.path.read_bytes()[:-1] + b"?")
    with pytest.raises(NightshiftError, match="has not the SHA-256 of its manifest"):
        _apply(Home(tmp_path / "home"), D1)
    assert _objects(client) == {}


@pytest.mark.parametrize("uri", ["s3://B", "https://bucket/x", "s3://bucket/a//b", "s3://bucket/", "bucket/x"])
def test_another_place_is_refused(home: Home, client: Any, monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("NIGHTSHIFT_EXPORT_URI", uri)
    with pytest.raises(UsageError, match="setting NIGHTSHIFT_EXPORT_URI: "):
        Settings.load(home=home.root)
    if uri.startswith("s3://"):
        monkeypatch.delenv("NIGHTSHIFT_EXPORT_URI")
        done = CliRunner().invoke(cli, ["replay", "plan", "--as-of", str(D1), "--to", uri, "--home", str(home.root)])
        assert isinstance(done.exception, UsageError)
