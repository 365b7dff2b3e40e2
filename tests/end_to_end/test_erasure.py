"""A whole night, then an erasure: every file of every format is decoded, and none names the person."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from canary import CANARY_DAYS, CUSTOMER, FIRST, RETURN_DAY, canary_shop, deliver_day, mentions
from shop import NIGHTSHIFT, Shop, nightshift

from pipelines import nights
from pipelines.erasure import erase
from pipelines.feeds import FEEDS

DAYS = 35
LAST = FIRST + timedelta(days=DAYS - 1)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The canary's shop after its night; tests copy it."""
    shop = canary_shop(tmp_path_factory.mktemp("canary") / "home", DAYS)
    assert nightshift(shop.root, "run", "--as-of", str(LAST)).returncode == 0
    return shop.root


@pytest.fixture
def home(night: Path, tmp_path: Path) -> Path:
    shutil.copytree(night, tmp_path / "home")
    # What an earlier day's night and an earlier publish may have left.
    shutil.copy(night / "warehouse.duckdb", tmp_path / "home" / "warehouse.2024-05-30.duckdb")
    shutil.copy(night / "published" / "warehouse.duckdb", tmp_path / "home" / "published" / "older.duckdb")
    (tmp_path / "home" / "published" / "as_of=2024-05-30").mkdir()
    shutil.copy(night / "published" / "warehouse.duckdb", tmp_path / "home" / "published" / "as_of=2024-05-30")
    return tmp_path / "home"


def _outside_landing(home: Path) -> list[tuple[str, str]]:
    return [found for found in mentions(home) if not found[0].startswith("landing/")]


def _published(home: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_no_file_names_the_person_and_the_books_balance(home: Path) -> None:
    places = {path.split("/")[0] for path, _ in mentions(home)}
    assert {"landing", "raw", "quarantine", "warehouse.duckdb", "warehouse.2024-05-30.duckdb", "published"} <= places
    books = "select count(*), sum(net_revenue_amount), sum(units) from marts.fct_order_lines"
    before = _published(home, books)
    done = nightshift(home, "erase", "--customer", CUSTOMER)
    assert done.returncode == 0
    assert _outside_landing(home) == []
    assert f"built from nothing for {LAST}; published {LAST}" in done.stdout
    assert CUSTOMER not in done.stdout + done.stderr
    assert _published(home, books) == before
    newest = home / "published" / "warehouse.duckdb"
    dated = home / "published" / f"as_of={LAST}" / "warehouse.duckdb"
    assert sorted((home / "published").rglob("*.duckdb*")) == [dated, newest]
    assert list(home.glob("warehouse.*-*")) == []
    # The exports of the day belong to what is published now.
    root = home / "exports" / "demand_forecast" / "v1"
    manifest = json.loads((root / f"as_of={LAST}" / "manifest.json").read_text())
    run_ids = _published(home, "select distinct run_id from exports.exp_demand_forecast")
    assert run_ids == [(manifest["run_id"],)]

    # The person's late rows, all of it loaded again, and another night.
    shop, late = Shop(home), LAST + timedelta(days=1)
    deliver_day(shop, late, is_canary_day=True)
    assert nightshift(home, "ingest", "--again").returncode == 0
    assert nightshift(home, "run", "--as-of", str(late)).returncode == 0
    assert _outside_landing(home) == []
    assert nightshift(home, "erase", "--customer", CUSTOMER, "--remove-landing").returncode == 0
    assert mentions(home) == []


def test_days_delivered_anew_without_the_person_do_not_keep_what_was_built_before(tmp_path: Path) -> None:
    shop, as_of = canary_shop(tmp_path / "home"), date(2024, 5, 8)
    for feed in FEEDS:
        shop.ingest(feed)
    for step in (nights.build, nights.publish):
        step(shop.settings, as_of, "nightshift 1", lambda line: None)
    nights.release(shop.settings, "nightshift 1")
    for day in (*CANARY_DAYS, RETURN_DAY):
        deliver_day(shop, day, is_canary_day=False)
    for feed in FEEDS:
        shop.ingest(feed)
    places = {path.split("/")[0] for path, _ in mentions(shop.root)}
    assert places == {"warehouse.duckdb", "published", "snapshots"}
    receipt, _ = erase(shop.settings, CUSTOMER, "nightshift 1", False, lambda line: None)
    assert mentions(shop.root) == []
    assert (receipt.raw, receipt.rebuilt, receipt.published) == ({}, [str(as_of)], str(as_of))


def _erase_killed_after(home: Path, line: str) -> None:
    command = [NIGHTSHIFT, "erase", "--customer", CUSTOMER, "--home", home]
    erasing = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert erasing.stderr is not None
    assert any(line in said for said in erasing.stderr)
    os.killpg(erasing.pid, signal.SIGKILL)
    erasing.wait()


@pytest.mark.campaign
@pytest.mark.parametrize("line", ["suppression list", "raw: events", "dbt builds", "predictions by", "published:"])
def test_killed_while_it_rebuilds_and_run_again(home: Path, line: str) -> None:
    _erase_killed_after(home, line)
    done = nightshift(home, "erase", "--customer", CUSTOMER)
    assert done.returncode == 0
    assert f"published {LAST}" in done.stdout
    assert _outside_landing(home) == []
