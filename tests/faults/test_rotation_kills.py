"""Killed at any rename, flush or removal of a rotation and run again, every hash is the chain of the key's secrets."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest
from kills import killed_at
from shop import Shop, lines

from pipelines import ledger, rewriting
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.key_rotation import rotate_key

WORK = """
from pipelines.key_rotation import rotate_key
from pipelines.settings import Settings
rotate_key(Settings.load(home=home), "nightshift 1", lambda line: None)
"""
ADA = "ada@example.org"


def _shop(root: Path) -> Shop:
    shop = Shop(root)
    shop.map(
        orders="{uri: 'orders/{ds}.csv', format: csv}",
        customers="{uri: 'customers/{ds}.csv', format: csv}",
    )
    for day in ("2024-07-01", "2024-07-02"):
        order = f"o1,{day},paid,GBP,{ADA}"
        shop.deliver(f"orders/{day}.csv", lines("order_id,ordered_at,status,currency,email", [order]))
    shop.deliver("customers/2024-07-01.csv", lines("customer_id,email,created_at", [f"c1,{ADA},2024-07-01"]))
    shop.ingest("orders")
    shop.ingest("customers")
    return shop


def _emails(shop: Shop) -> list[str]:
    return [email for feed in ("orders", "customers") for (email,) in shop.raw(feed, "email")]


def _refused_unless_whole(shop: Shop) -> bool:
    """Whether the home is between two keys; then nothing is loaded, and the message names the way on."""
    try:
        shop.ingest("orders")
    except NightshiftError as error:
        assert "nightshift rotate-key" in str(error)
        return True
    assert len(set(_emails(shop))) == 1
    return False


def _check(tmp_path: Path, points: slice) -> None:
    counted = killed_at(WORK, _shop(tmp_path / "undisturbed").root, 0)
    assert counted.returncode == 0, counted.stderr
    calls = int(counted.stdout)
    # Key file, three partitions beside, plan, three partitions, two ledger events, the plan's end.
    assert calls >= 30
    halves = 0
    for fatal in range(1, calls + 1)[points]:
        shop = _shop(tmp_path / f"killed-{fatal}")
        (first,) = Home(shop.root).key_file.read_text().split()
        assert killed_at(WORK, shop.root, fatal).returncode == -9
        halves += _refused_unless_whole(shop)
        rotate_key(shop.settings, "nightshift 1", lambda line: None)
        email = ADA
        secrets = Home(shop.root).key_file.read_text().split()
        for secret in secrets:
            email = hmac.new(bytes.fromhex(secret), email.encode(), hashlib.sha256).hexdigest()
        # A rotation killed before its secret was kept, or after all was done, is followed by another one.
        assert secrets[0] == first
        assert len(secrets) in (2, 3)
        assert _emails(shop) == [email] * 3, f"killed at call {fatal} of {calls}"
        assert shop.ingest("orders").status == "unchanged"
        for feed in ("orders", "customers"):
            for ds, part in ledger.partitions(Home(shop.root), feed).items():
                assert ledger.file_sha256(shop.root / f"raw/{feed}/ds={ds}/data.parquet") == part.sha256
        assert not rewriting.plan_file(Home(shop.root)).exists()
        assert not list(shop.root.rglob(".rewriting"))
    assert halves >= 2


def test_killed_at_some_boundaries_and_run_again(tmp_path: Path) -> None:
    _check(tmp_path, slice(2, None, 7))


@pytest.mark.campaign
def test_killed_at_every_boundary_and_run_again(tmp_path: Path) -> None:
    _check(tmp_path, slice(None))
