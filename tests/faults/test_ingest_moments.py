"""A load killed at random moments, several loads at once, and readers meanwhile: the home is as after one load."""

from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock
from kills import leftovers, loaded
from shop import Shop, lines

from pipelines.home import Home
from pipelines.ingest import ingest

ORDERS = "order_id,ordered_at,status,currency"
DAYS = [f"2024-07-{day:02}" for day in range(1, 7)]
# Python starts once and is forked for each load, so that a moment of a load is not one of Python's start.
FORKS = """
import os, sys
from pipelines.ingest import ingest
from pipelines.settings import Settings
for line in sys.stdin:
    child = os.fork()
    if not child:
        ingest(Settings.load(home=line.strip()), ["orders"], None, None, lambda said: None)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def _rows(day: str, state: str, count: int) -> list[str]:
    return [f"{day}-{number},{day},{state if number % 2 else 'placed'},GBP" for number in range(count)]


def _shop(root: Path) -> Shop:
    """Some days are loaded; the next load replaces two of them and brings the others, with refused rows."""
    shop = Shop(root)
    Home(root).key_file.write_text("11" * 32)
    shop.map(orders="{uri: 'orders/{ds}.csv.gz', format: csv}")
    for day in DAYS[:3]:
        shop.deliver(f"orders/{day}.csv.gz", lines(ORDERS, [*_rows(day, "placed", 500), "x,never,paid,GBP"]))
    shop.ingest("orders")
    for number, day in enumerate(DAYS[1:]):
        refused = [f"x{place},never,paid,GBP" for place in range(number)]
        shop.deliver(f"orders/{day}.csv.gz", lines(ORDERS, [*_rows(day, "paid", 500), *refused]))
    return shop


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _shop(tmp_path_factory.mktemp("template") / "home").root


@pytest.fixture
def forks() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()  # type: ignore[union-attr]


def _load(forks: subprocess.Popen[str], home: Path, kill_after: float | None = None) -> tuple[int, float]:
    """Exit code and duration of one load, killed after so many seconds if it still runs then."""
    assert forks.stdin is not None
    assert forks.stdout is not None
    forks.stdin.write(f"{home}\n")
    forks.stdin.flush()
    started, child = time.monotonic(), int(forks.stdout.readline())
    if kill_after is not None:
        time.sleep(kill_after)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return int(forks.stdout.readline()), time.monotonic() - started


def _check(template: Path, tmp_path: Path, forks: subprocess.Popen[str], moments: int, seed: int) -> int:
    durations = []
    for number in range(3):
        shutil.copytree(template, tmp_path / f"undisturbed-{number}")
        status, seconds = _load(forks, tmp_path / f"undisturbed-{number}")
        assert status == 0
        durations.append(seconds)
    expected = loaded(tmp_path / "undisturbed-0", "orders")
    assert loaded(tmp_path / "undisturbed-1", "orders") == expected != loaded(template, "orders")
    draw, killed = random.Random(seed), 0
    for number in range(moments):
        home = tmp_path / f"killed-{number}"
        shutil.copytree(template, home)
        moment = draw.uniform(0, statistics.median(durations))
        killed += _load(forks, home, moment)[0] == -signal.SIGKILL
        Shop(home).ingest("orders")
        assert loaded(home, "orders") == expected, (number, moment)
        assert leftovers(home) == [], (number, moment)
        shutil.rmtree(home)
    return killed


def test_killed_at_random_moments_and_loaded_again(
    template: Path, tmp_path: Path, forks: subprocess.Popen[str]
) -> None:
    assert _check(template, tmp_path, forks, 20, seed=1) > 0


@pytest.mark.campaign
def test_killed_at_many_random_moments_and_loaded_again(
    template: Path, tmp_path: Path, forks: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    killed = _check(template, tmp_path, forks, 200, seed=2)
    assert killed > 100
    with capsys.disabled():
        print(f"\n200 loads, {killed} of them killed while they ran, each as if undisturbed after the next")


LOADER = """
import sys
from pipelines.ingest import ingest
from pipelines.settings import Settings
print("ready", flush=True)
sys.stdin.readline()
(report,) = ingest(Settings.load(home=sys.argv[1]), ["orders"], None, None, print)
print(report.status)
"""


def test_two_loads_at_once_load_once_and_readers_see_whole_partitions(template: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(template, home)
    partition, seen, is_over = home / f"raw/orders/ds={DAYS[1]}/data.parquet", set(), threading.Event()

    def read() -> None:
        while not is_over.is_set():
            with duckdb.connect() as connection:
                seen.update(
                    connection.execute(
                        "select status, count(*) from read_parquet($path) group by all order by all",
                        {"path": str(partition)},
                    ).fetchall()
                )

    loads = [
        subprocess.Popen([sys.executable, "-c", LOADER, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    reader = threading.Thread(target=read)
    reader.start()
    for load in loads:
        assert load.stdout is not None
        assert load.stdout.readline() == "ready\n"
    for load in loads:
        assert load.stdin is not None
        load.stdin.write("go\n")
        load.stdin.flush()
    said = [load.communicate()[0].splitlines() for load in loads]
    # A last look, when all is done.
    time.sleep(0.1)
    is_over.set()
    reader.join()
    assert sorted(lines[-1] for lines in said) == ["loaded", "unchanged"]
    # 500 rows all placed before, 250 of them paid afterwards: nothing else was ever to be seen.
    assert {("paid", 250)} <= seen <= {("placed", 500), ("placed", 250), ("paid", 250)}
    assert loaded(home, "orders")["events"] == 2


def test_a_load_that_waits_for_another_says_so(template: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(template, home)
    said: list[str] = []
    # A lock that one thread takes another may give back.
    lock = FileLock(home / "raw/orders/.load.lock", thread_local=False)
    lock.acquire()

    def heard(line: str) -> None:
        said.append(line)
        lock.release(force=True)

    ingest(Shop(home).settings, ["orders"], None, None, heard)
    assert said[0] == "orders: another load of this feed is running; waiting for its end"
    assert loaded(home, "orders")["events"] == 2
