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
from shop import LAST_DAY, Shop, nightshift

from pipelines import published
from pipelines.home import Home
from pipelines.sources import load_sources
from pipelines.warehouse import Warehouse

READERS = 8
FIRST = date(2026, 1, 1)
# Opens the file anew each time, asks it twice, and keeps what it saw: the days, in order, and what was torn. One in so
# many opens is a DuckDB of its own, the others attach the file, at a fifth of the time. The last one begins when the
# other side is over. The first days it sees, so many, it tells at once.
READER = """
import contextlib, json, os, sys, duckdb
path, over, query, opens, alone, told = *sys.argv[1:4], *map(int, sys.argv[4:])
session = duckdb.connect(config={"threads": 1})

@contextlib.contextmanager
def attached():
    session.execute(f"attach '{path}' as night (read_only)").execute("use night")
    yield session
    session.execute("use memory").execute("detach night")

number, days, torn, is_over = 0, [], [], False
while number < opens or not is_over:
    is_over = os.path.exists(over)
    is_alone = number % alone == 0
    with duckdb.connect(path, read_only=True, config={"threads": 1}) if is_alone else attached() as connection:
        seen = [connection.execute(query).fetchall() for _ in range(2)]
    (day, is_whole), = seen[0]
    if seen[0] != seen[1] or not is_whole:
        torn.append([number, str(seen)])
    if not days or days[-1] != day:
        days.append(day)
        if len(days) <= told:
            print(day, flush=True)
    number += 1
print(json.dumps({"opens": number, "days": days, "torn": torn}))
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


def _start_readers(
    home: Home, over: Path, query: str, opens: int, alone: int = 1, told: int = 0, before: Sequence[str] = ()
) -> list[subprocess.Popen[str]]:
    """Each opens so many times and goes on until the path `over` is there; one open in `alone` is a DuckDB anew."""
    numbers = (str(opens), str(alone), str(told))
    command = [*before, sys.executable, "-c", READER, str(published.newest(home)), str(over), query, *numbers]
    pipe = subprocess.PIPE
    return [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(READERS)]


def _seen(readers: Sequence[subprocess.Popen[str]]) -> list[dict[str, list[str]]]:
    """What each reader saw; one that met an error fails here with it."""
    found = []
    for reader in readers:
        said, failure = reader.communicate()
        assert reader.returncode == 0, failure
        found.append(json.loads(said.splitlines()[-1]))
    return found


def _told(reader: subprocess.Popen[str]) -> str:
    assert reader.stdout is not None
    return reader.stdout.readline().strip()


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


def _check_readers(shop: Shop, opens: int, alone: int) -> str:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    _publish_night(shop, 0)
    readers = _start_readers(Home(shop.root), shop.root, PLANTED_IS_WHOLE, opens, alone)
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
    return f"{READERS * opens:,} opens by {READERS} readers while {nights:,} nights were published"


@pytest.mark.parametrize("rows", ["('2026-01-01'), ('2026-01-02')", "('2026-01-01')"])
def test_a_file_of_two_nights_or_of_half_a_night_would_be_seen(shop: Shop, rows: str) -> None:
    home = Home(shop.root)
    tables = ("create schema marts", f"create table marts.planted as from (values {rows}) as nights (night)")
    publish(home, FIRST, *tables, "insert into meta values ('rows in marts.planted', '2')")
    readers = _start_readers(home, home.root, PLANTED_IS_WHOLE, opens=2, alone=2)
    assert [len(reader["torn"]) for reader in _seen(readers)] == [2] * READERS


def test_every_query_sees_one_night(shop: Shop) -> None:
    _check_readers(shop, 40, alone=2)


@pytest.mark.campaign
def test_a_hundred_thousand_opens_see_one_night_each(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    said = _check_readers(shop, 100_000 // READERS, alone=20)
    with capsys.disabled():
        print(f"\n{said}")


@pytest.mark.campaign
def test_readers_of_five_whole_nights(night_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, over = tmp_path / "home", tmp_path / "over"
    shutil.copytree(night_home, home, symlinks=True)
    # What is published begins five days back, so that each night brings a newer one.
    for name in ("published", "ledger/publishes", "ledger/builds"):
        shutil.rmtree(home / name)
        (home / name).mkdir()
    for path in home.glob("warehouse.*"):
        path.unlink()
    first = LAST_DAY - timedelta(days=5)
    assert nightshift(home, "run", "--as-of", str(first)).returncode == 0
    nights = [str(first + timedelta(days=number)) for number in range(6)]
    # Eight busy readers would else take its processors from the night on a small machine.
    readers = _start_readers(Home(home), over, NIGHT_IS_WHOLE, 1, told=len(nights), before=("nice", "-n", "19"))
    try:
        assert [_told(reader) for reader in readers] == nights[:1] * READERS
        for day in nights[1:]:
            assert nightshift(home, "run", "--as-of", day).returncode == 0
            # However slow they are, the next night waits until each has seen this one.
            assert [_told(reader) for reader in readers] == [day] * READERS
    finally:
        over.touch()
    seen = _seen(readers)
    assert [reader["torn"] for reader in seen] == [[]] * READERS
    assert [reader["days"] for reader in seen] == [nights] * READERS
    opens = sum(reader["opens"] for reader in seen)  # type: ignore[misc]
    with capsys.disabled():
        print(f"\n{opens:,} opens by {READERS} readers while five nights ran")
