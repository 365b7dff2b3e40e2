"""An erasure killed anywhere and run again ends as one that was never killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from canary import CUSTOMER, canary_shop, mentions
from kills import killed_at
from shop import Shop

from pipelines import ledger
from pipelines.erasure import erase, is_pending
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.home import Home

WORK = f"""
from pipelines.erasure import erase
from pipelines.settings import Settings
erase(Settings.load(home=home), "{CUSTOMER}", "nightshift 1", True, lambda line: None)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = canary_shop(tmp_path_factory.mktemp("canary") / "home")
    for feed in FEEDS:
        shop.ingest(feed)
    return shop.root


def _state(root: Path) -> dict[str, object]:
    """Rows, refused rows, lists and deliveries, and what the ledger says of each partition."""
    folders = ("raw", "quarantine", "suppressed", "landing")
    paths = (path for folder in folders for path in sorted((root / folder).rglob("*")) if path.is_file())
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    parts = {
        (feed, ds): (part.sha256, part.rows_in, part.rows_loaded, part.rows_excluded, part.fingerprint)
        for feed in FEEDS
        for ds, part in ledger.partitions(Home(root), feed).items()
    }
    return {"files": files, "partitions": parts}


def _check(loaded: Path, tmp_path: Path, points: slice) -> None:
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(loaded, undisturbed)
    done = killed_at(WORK, undisturbed, 0)
    assert done.returncode == 0, done.stderr
    assert mentions(undisturbed) == []
    expected, calls = _state(undisturbed), int(done.stdout)
    # Seven partitions are flushed beside and moved, four days of quarantine too, and seven deliveries go.
    assert calls >= 60
    halves = 0
    for fatal in range(1, calls + 1)[points]:
        shutil.copytree(loaded, tmp_path / f"killed-{fatal}")
        shop = Shop(tmp_path / f"killed-{fatal}")
        assert killed_at(WORK, shop.root, fatal).returncode == -9
        # Whatever is loaded now does not bring the person back into what is done already.
        try:
            shop.ingest("orders")
        except NightshiftError as error:
            assert "nightshift erase --customer" in str(error)
            halves += 1
        erase(shop.settings, CUSTOMER, "nightshift 1", True, lambda line: None)
        assert _state(shop.root) == expected, f"killed at call {fatal} of {calls}"
        assert mentions(shop.root) == []
        assert not is_pending(Home(shop.root))
        shutil.rmtree(shop.root)
    assert halves >= 1


def test_killed_at_some_boundaries_and_run_again(loaded: Path, tmp_path: Path) -> None:
    _check(loaded, tmp_path, slice(5, None, 17))


@pytest.mark.campaign
def test_killed_at_every_boundary_and_run_again(loaded: Path, tmp_path: Path) -> None:
    _check(loaded, tmp_path, slice(None))
