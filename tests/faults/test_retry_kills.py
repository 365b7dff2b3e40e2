"""A retry of quarantined days, killed at any rename or flush and run again, ends as if never killed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from kills import killed_at, loaded
from shop import Shop, lines

from pipelines.home import Home
from pipelines.quarantine import Filters
from pipelines.quarantine_retry import retry

WORK = """
from pipelines.quarantine import Filters
from pipelines.quarantine_retry import retry
from pipelines.settings import Settings
retry(Settings.load(home=home), Filters(), f"nightshift {os.getpid()}", lambda line: None)
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


def _state(shop: Shop) -> dict[str, Any]:
    return loaded(shop.root, "orders")


def _check(tmp_path: Path, points: slice) -> None:
    undisturbed = _shop(tmp_path / "undisturbed")
    done = killed_at(WORK, undisturbed.root, 0)
    assert done.returncode == 0, done.stderr
    calls = int(done.stdout)
    assert calls >= 12, "two days of which one keeps a quarantine file, and a ledger event: flushed, renamed, flushed"
    expected = _state(undisturbed)
    assert [rows_loaded for _, _, rows_loaded, _ in expected["loads"].values()] == [2, 1, 1]
    for call in range(1, calls + 1)[points]:
        shop = _shop(tmp_path / f"killed-{call}")
        assert killed_at(WORK, shop.root, call).returncode == -9
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
