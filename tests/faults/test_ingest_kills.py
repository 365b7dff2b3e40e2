"""Killed at any rename or flush of a load, and loaded again, the home is as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from shop import Shop, lines

from pipelines import ledger
from pipelines.home import Home

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
ingest(Settings.load(home=home), ["orders"], None, None, lambda line: None)
print(calls)
"""
ORDERS = "order_id,ordered_at,status,currency"


def _shop(root: Path) -> Shop:
    shop = Shop(root)
    Home(root).key_file.write_text("11" * 32)
    shop.map(orders="{uri: 'orders/{ds}.csv.gz', format: csv}")
    shop.deliver("orders/2024-07-01.csv.gz", lines(ORDERS, ["o1,2024-07-01,paid,GBP", "o2,2024-07-01,paid,GBP"]))
    shop.ingest("orders")
    # What the killed load brings: a day again with another row and a refused one, and a new day.
    shop.deliver("orders/2024-07-01.csv.gz", lines(ORDERS, ["o1,2024-07-01,cancelled,GBP", "o3,never,paid,GBP"]))
    shop.deliver("orders/2024-07-02.csv.gz", lines(ORDERS, ["o4,2024-07-02,paid,GBP"]))
    return shop


def _run(shop: Shop, fatal: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLER, str(shop.root), str(fatal)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _state(shop: Shop) -> dict[str, Any]:
    home = Home(shop.root)
    files = {
        str(path.relative_to(home.root)): path.read_bytes()
        for folder in (home.raw, home.quarantine)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".load.lock"
    }
    loads = {
        ds: (part.sha256, part.rows_in, part.rows_loaded) for ds, part in ledger.partitions(home, "orders").items()
    }
    return {"files": files, "loads": loads}


def _check(tmp_path: Path, points: slice) -> None:
    undisturbed = _shop(tmp_path / "undisturbed")
    done = _run(undisturbed, fatal=0)
    assert done.returncode == 0, done.stderr
    calls = int(done.stdout)
    assert calls >= 12, "two days, a quarantine file and a ledger event: four files, each flushed, renamed, flushed"
    expected = _state(undisturbed)
    for fatal in range(1, calls + 1)[points]:
        shop = _shop(tmp_path / f"killed-{fatal}")
        assert _run(shop, fatal).returncode == -9
        shop.ingest("orders")
        assert _state(shop) == expected, f"killed at call {fatal} of {calls}"


def test_killed_at_some_boundaries_and_loaded_again(tmp_path: Path) -> None:
    _check(tmp_path, slice(1, None, 4))


@pytest.mark.campaign
def test_killed_at_every_boundary_and_loaded_again(tmp_path: Path) -> None:
    _check(tmp_path, slice(None))
