"""A retry of quarantined days, killed at any rename or flush and run again, ends as if never killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from shop import Shop, lines

from pipelines import ledger
from pipelines.home import Home
from pipelines.quarantine import Filters
from pipelines.quarantine_retry import retry

KILLER = """
import os, pathlib, signal, sys
from pipelines.quarantine import Filters
from pipelines.quarantine_retry import retry
from pipelines.settings import Settings
home, fatal = pathlib.Path(sys.argv[1]), int(sys.argv[2])
calls = 0
def counting(function):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call
os.fsync = counting(os.fsync)
pathlib.Path.replace = counting(pathlib.Path.replace)
pathlib.Path.unlink = counting(pathlib.Path.unlink)
retry(Settings.load(home=home), Filters(), f"nightshift {os.getpid()}", lambda line: None)
print(calls)
"""
ORDERS = "order_id,ordered_at,status,currency"


def _shop(root: Path) -> Shop:
    """Three days with a refused row each; the first is mended, the second in part, the third not at all."""
    shop = Shop(root)
    Home(root).key_file.write_text("11" * 32)
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    for day in ("2024-07-01", "2024-07-02", "2024-07-03"):
        shop.deliver(f"orders/{day}.csv", lines(ORDERS, [f"a{day},{day},paid,GBP", f"b{day},never,odd,GBP"]))
    shop.ingest("orders")
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, ["a,2024-07-01,paid,GBP", "b,2024-07-01,paid,GBP"]))
    shop.deliver("orders/2024-07-02.csv", lines(ORDERS, ["a,2024-07-02,paid,GBP", "b,2024-07-02,odd,GBP"]))
    return shop


def _retry_killed_at(shop: Shop, call: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLER, str(shop.root), str(call)]
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
        ds: (part.sha256, part.rows_loaded, part.rows_quarantined)
        for ds, part in ledger.partitions(home, "orders").items()
    }
    return {"files": files, "loads": loads, "events": len(list(ledger.events(home, "loads/orders")))}


def _check(tmp_path: Path, points: slice) -> None:
    undisturbed = _shop(tmp_path / "undisturbed")
    done = _retry_killed_at(undisturbed, 0)
    assert done.returncode == 0, done.stderr
    calls = int(done.stdout)
    assert calls >= 12, "two days of which one keeps a quarantine file, and a ledger event: flushed, renamed, flushed"
    expected = _state(undisturbed)
    assert [loaded for _, loaded, _ in expected["loads"].values()] == [2, 1, 1]
    for call in range(1, calls + 1)[points]:
        shop = _shop(tmp_path / f"killed-{call}")
        assert _retry_killed_at(shop, call).returncode == -9
        # A third retry finds nothing more to do, whatever the second had left to mend.
        for _ in range(2):
            retry(shop.settings, Filters(), f"nightshift {os.getpid()}", print)
            assert _state(shop) == expected, f"killed at call {call} of {calls}"
        assert not (shop.root / "night.json").exists()


def test_killed_at_some_boundaries_and_run_again(tmp_path: Path) -> None:
    _check(tmp_path, slice(2, None, 6))


@pytest.mark.campaign
def test_killed_at_every_boundary_and_run_again(tmp_path: Path) -> None:
    _check(tmp_path, slice(None))
