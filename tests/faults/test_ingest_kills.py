"""Killed at any rename or flush of a load, and loaded again, the home is as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from kills import killed_at, loaded
from shop import Shop, lines

from pipelines.home import Home

WORK = """
from pipelines.ingest import ingest
from pipelines.settings import Settings
ingest(Settings.load(home=home), ["orders"], None, None, lambda line: None)
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


def _check(tmp_path: Path, points: slice) -> None:
    undisturbed = _shop(tmp_path / "undisturbed")
    done = killed_at(WORK, undisturbed.root, 0)
    assert done.returncode == 0, done.stderr
    calls = int(done.stdout)
    assert calls >= 12, "two days, a quarantine file and a ledger event: four files, each flushed, renamed, flushed"
    expected = loaded(undisturbed.root, "orders")
    for fatal in range(1, calls + 1)[points]:
        shop = _shop(tmp_path / f"killed-{fatal}")
        assert killed_at(WORK, shop.root, fatal).returncode == -9
        shop.ingest("orders")
        assert loaded(shop.root, "orders") == expected, f"killed at call {fatal} of {calls}"


def test_killed_at_some_boundaries_and_loaded_again(tmp_path: Path) -> None:
    _check(tmp_path, slice(1, None, 4))


@pytest.mark.campaign
def test_killed_at_every_boundary_and_loaded_again(tmp_path: Path) -> None:
    _check(tmp_path, slice(None))
