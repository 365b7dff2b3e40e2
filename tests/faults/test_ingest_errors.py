"""A load that cannot write says so in one line, leaves what was there, and ends well once it can write again."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kills import counted, leftovers, loaded
from shop import NIGHTSHIFT, Shop, lines

from pipelines import cli
from pipelines.home import Home
from pipelines.ingest import ingest
from pipelines.settings import Settings

ORDERS = "order_id,ordered_at,status,currency"


def _shop(root: Path) -> Shop:
    shop = Shop(root)
    Home(root).key_file.write_text("11" * 32)
    shop.map(orders="{uri: 'orders/{ds}.csv.gz', format: csv}")
    shop.deliver("orders/2024-07-01.csv.gz", lines(ORDERS, ["o1,2024-07-01,paid,GBP", "o2,2024-07-01,paid,GBP"]))
    shop.deliver("orders/2024-07-02.csv.gz", lines(ORDERS, ["o5,2024-07-02,paid,GBP", "o6,never,paid,GBP"]))
    shop.ingest("orders")
    # What the failing load brings: a day with another row and a refused one, one without its refused row, a new one.
    shop.deliver("orders/2024-07-01.csv.gz", lines(ORDERS, ["o1,2024-07-01,cancelled,GBP", "o3,never,paid,GBP"]))
    shop.deliver("orders/2024-07-02.csv.gz", lines(ORDERS, ["o5,2024-07-02,paid,GBP"]))
    shop.deliver("orders/2024-07-03.csv.gz", lines(ORDERS, ["o4,2024-07-03,paid,GBP"]))
    return shop


def _command(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of `nightshift ingest orders` in this process."""
    monkeypatch.setattr(sys, "argv", ["nightshift", "ingest", "orders", "--home", str(shop.root)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: pytest.CaptureFixture[str], number: int, points: slice
) -> None:
    undisturbed = _shop(tmp_path / "undisturbed")
    with counted(lambda call: None) as calls:
        assert _command(undisturbed, monkeypatch) == 0
    expected = loaded(undisturbed.root, "orders")
    assert calls.made > 20, "three days, a quarantine file and a ledger event: each flushed, renamed, flushed"

    def fail(call: int) -> None:
        if call == fatal:
            raise OSError(number, os.strerror(number))

    for fatal in range(1, calls.made + 1)[points]:
        shop = _shop(tmp_path / f"failed-{fatal}")
        before = loaded(shop.root, "orders")
        told.readouterr()
        with counted(fail):
            status = _command(shop, monkeypatch)
        line = told.readouterr().err.splitlines()[-1]
        if status:
            what = "no space left for" if number == errno.ENOSPC else "Input/output error"
            assert line.startswith(f"nightshift: {what}"), (fatal, line)
        # A link that cannot be made is a copy instead; the last call of all forgets the sample of an earlier failure.
        is_done = status == 0 or fatal == calls.made
        assert loaded(shop.root, "orders") == (expected if is_done else before), fatal
        assert leftovers(shop.root) == [], fatal
        assert _command(shop, monkeypatch) == 0
        assert loaded(shop.root, "orders") == expected, fatal


@pytest.mark.parametrize(("number", "points"), [(errno.ENOSPC, slice(0, None, 3)), (errno.EIO, slice(1, None, 3))])
def test_some_write_flush_or_rename_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, points: slice
) -> None:
    _check(tmp_path, monkeypatch, capsys, number, points)


@pytest.mark.campaign
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_any_write_flush_or_rename_may_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    _check(tmp_path, monkeypatch, capsys, number, slice(None))


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of its own of 24 MiB."""
    disk = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def _large_shop(root: Path) -> Shop:
    shop = Shop(root)
    Home(root).key_file.write_text("11" * 32)
    shop.map(orders="{uri: 'orders/{ds}.parquet', format: parquet}")
    return shop


def _ingest(shop: Shop, landing: Path, memory: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NIGHTSHIFT_MEMORY_LIMIT": memory, "NIGHTSHIFT_THREADS": "1"}
    command = [NIGHTSHIFT, "ingest", "orders", "--home", shop.root, "--landing", landing]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _ingest_here(shop: Shop, landing: Path) -> None:
    ingest(Settings.load(home=shop.root, landing=landing), ["orders"], None, None, lambda line: None)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A landing folder with a day that is some 4 MB in raw/, and what a load of it comes to."""
    root = tmp_path_factory.mktemp("large")
    path = root / "landing/orders/2024-07-01.parquet"
    path.parent.mkdir(parents=True)
    draw = random.Random(1)
    ids = [draw.randbytes(16).hex() for _ in range(100_000)]
    same = {"ordered_at": "2024-07-01T10:00:00Z", "status": "paid", "currency": "GBP", "channel": "x" * 200}
    pq.write_table(pa.table({"order_id": ids, **{name: [text] * len(ids) for name, text in same.items()}}), path)
    shop = _large_shop(root / "home")
    _ingest_here(shop, root / "landing")
    return root / "landing", loaded(shop.root, "orders")


@pytest.mark.parametrize(
    ("memory", "free"),
    [("1GB", 0), ("1GB", 1_000_000), ("50MB", 8_000_000)],
    ids=["nothing is free", "space for some of its rows", "space for some of what memory cannot hold"],
)
def test_a_full_disk_is_told_in_one_line_and_the_load_ends_once_there_is_space(
    small_disk: Path, large: tuple[Path, dict[str, Any]], memory: str, free: int
) -> None:
    landing, expected = large
    shop = _large_shop(small_disk / f"home-{memory}-{free}")
    before = loaded(shop.root, "orders")
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        space = os.statvfs(small_disk)
        file.write(bytes(space.f_bavail * space.f_frsize - free))
    failed = _ingest(shop, landing, memory)
    told = failed.stderr.splitlines()
    assert (failed.returncode, len(told)) == (1, 1), failed.stderr
    assert told[0].startswith("nightshift: no space left for ")
    assert told[0].endswith("; free some and run again")
    assert loaded(shop.root, "orders") == before
    assert leftovers(shop.root) == []
    ballast.unlink()
    _ingest_here(shop, landing)
    assert loaded(shop.root, "orders") == expected
    shutil.rmtree(shop.root)
