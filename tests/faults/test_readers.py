"""Readers that query what is published without pause, while it is published again and again, see whole nights alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from planted_published import publish
from shop import LAST_DAY, NIGHTSHIFT, Shop

from pipelines import published
from pipelines.home import Home
from pipelines.sources import load_sources
from pipelines.warehouse import Warehouse

READERS = 8
FIRST = date(2026, 1, 1)
# Opens the file anew each time, asks it twice, and keeps what it saw: the days, in order, and what was torn.
READER = """
import json, sys, duckdb
path, opens, query = sys.argv[1], int(sys.argv[2]), sys.argv[3]
days, torn = [], []
for number in range(opens):
    with duckdb.connect(path, read_only=True, config={"threads": 1}) as connection:
        seen = [connection.execute(query).fetchall() for _ in range(2)]
    (day, is_whole), = seen[0]
    if seen[0] != seen[1] or not is_whole:
        torn.append([number, str(seen)])
    if not days or days[-1] != day:
        days.append(day)
print(json.dumps({"opens": number + 1, "days": days, "torn": torn}))
"""
# As many rows as `meta` says, each of them of the night that `meta` says.
PLANTED_IS_WHOLE = """
    select day, count(*) = rows::bigint and min(night) = day and max(night) = day
    from marts.planted, (select max(value) filter (where name = 'as_of') as day,
        max(value) filter (where name = 'rows in marts.planted') as rows from meta)
    group by day, rows
"""
NIGHT_IS_WHOLE = """
    select day, (select as_of::text from marts.meta_build) = day
        and (select count(*) from marts.fct_orders) = orders::bigint
        and (select count(*) from features.feat_sku_day) = sku_days::bigint
        and (select max(ordered_on)::text from marts.fct_orders) <= day
    from (select max(value) filter (where name = 'as_of') as day,
        max(value) filter (where name = 'rows in marts.fct_orders') as orders,
        max(value) filter (where name = 'rows in features.feat_sku_day') as sku_days from meta)
"""


def _start_readers(home: Home, opens: int, query: str, before: Sequence[str] = ()) -> list[subprocess.Popen[str]]:
    command = [*before, sys.executable, "-c", READER, str(published.newest(home)), str(opens), query]
    pipe = subprocess.PIPE
    return [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(READERS)]


def _seen(readers: Sequence[subprocess.Popen[str]]) -> list[dict[str, list[str]]]:
    """What each reader saw; one that met an error fails here with it."""
    found = []
    for reader in readers:
        said, failure = reader.communicate()
        assert reader.returncode == 0, failure
        found.append(json.loads(said))
    return found


def _publish_night(shop: Shop, number: int) -> None:
    """A warehouse of one table, with a row more each night, by the step that publishes every night."""
    day = FIRST + timedelta(days=number)
    home = Home(shop.root)
    home.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.planted as select $1 as night from range($2)", [str(day), 1_000 + number]
        )
    warehouse = Warehouse(home, shop.settings, load_sources(shop.settings.sources_file).store, day)
    facts = {"as_of": str(day), "built_at": f"{day}T23:00:00+00:00", "completeness": "complete"}
    warehouse.publish(facts, is_newest=True, log=lambda line: None)
    published.prune(home, keep=2)


def _check_readers(shop: Shop, opens: int) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    _publish_night(shop, 0)
    readers = _start_readers(Home(shop.root), opens, PLANTED_IS_WHOLE)
    nights = 1
    while any(reader.poll() is None for reader in readers):
        _publish_night(shop, nights)
        nights += 1
    seen = _seen(readers)
    assert [reader["torn"] for reader in seen] == [[]] * READERS
    assert sum(reader["opens"] for reader in seen) == READERS * opens  # type: ignore[misc]
    # Nights only go forward, and the readers were there while they changed.
    assert all(reader["days"] == sorted(set(reader["days"])) for reader in seen)
    assert len({day for reader in seen for day in reader["days"]}) > 3
    print(f"{READERS * opens:,} opens by {READERS} readers while {nights:,} nights were published")


@pytest.mark.parametrize("rows", ["('2026-01-01'), ('2026-01-02')", "('2026-01-01')"])
def test_a_file_of_two_nights_or_of_half_a_night_would_be_seen(shop: Shop, rows: str) -> None:
    home = Home(shop.root)
    tables = ("create schema marts", f"create table marts.planted as from (values {rows}) as nights (night)")
    publish(home, FIRST, *tables, "insert into meta values ('rows in marts.planted', '2')")
    assert [len(reader["torn"]) for reader in _seen(_start_readers(home, 1, PLANTED_IS_WHOLE))] == [1] * READERS


def test_every_query_sees_one_night(shop: Shop) -> None:
    _check_readers(shop, 40)


@pytest.mark.campaign
def test_a_hundred_thousand_opens_see_one_night_each(shop: Shop) -> None:
    _check_readers(shop, 100_000 // READERS)


@pytest.mark.campaign
def test_readers_of_five_whole_nights(night_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(night_home, home, symlinks=True)
    # What is published begins five days back, so that each night brings a newer one.
    for name in ("published", "ledger/publishes", "ledger/builds"):
        shutil.rmtree(home / name)
        (home / name).mkdir()
    for path in home.glob("warehouse.*"):
        path.unlink()
    first = LAST_DAY - timedelta(days=5)
    assert subprocess.run([NIGHTSHIFT, "run", "--as-of", str(first), "--home", home], check=False).returncode == 0
    night = subprocess.Popen(
        [NIGHTSHIFT, "run", "--from", str(first + timedelta(days=1)), "--as-of", str(LAST_DAY), "--home", home]
    )
    # Eight busy readers would else take its processors from the night on a small machine.
    polite = ("nice", "-n", "19")
    seen = []
    while night.poll() is None:
        seen += _seen(_start_readers(Home(home), 50, NIGHT_IS_WHOLE, polite))
    assert night.returncode == 0
    assert [reader["torn"] for reader in seen if reader["torn"]] == []
    assert {day for reader in seen for day in reader["days"]} <= {str(first + timedelta(days=n)) for n in range(6)}
    assert len({day for reader in seen for day in reader["days"]}) == 6
    print(f"{50 * len(seen):,} opens by {READERS} readers while five nights ran")
