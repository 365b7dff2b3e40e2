"""The commands of the page on the home save all of it, wait for who writes, and bring it back to the byte."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock
from planted_exports import deliver, folder_of
from shop import Shop, lines

from pipelines.export_verify import verify
from pipelines.home import Home

PAGE = Path(__file__).parents[2] / "docs" / "home.md"
DAY = date(2025, 3, 1)


def _commands(title: str) -> str:
    """What the page tells to type under a title, but for our own commands."""
    section = PAGE.read_text().split(f"## {title}\n")[1]
    (block, *_) = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    return "\n".join(line for line in block.splitlines() if not line.startswith(".venv"))


def _home(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "var" / "mystore")
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    header = "order_id,ordered_at,status,currency"
    shop.deliver(f"orders/{DAY}.csv", lines(header, [f"o1,{DAY}T10:00:00Z,paid,GBP"]))
    shop.ingest("orders")
    deliver(Home(shop.root), DAY, [("a", 1, "1.00", None)])
    (shop.root / "published" / "as_of=2025-03-01").mkdir()
    (shop.root / "published" / "warehouse.duckdb").write_bytes(bytes(1_000_000))
    os.link(
        shop.root / "published" / "warehouse.duckdb", shop.root / "published" / "as_of=2025-03-01" / "warehouse.duckdb"
    )
    (shop.root / "airflow" / "airflow.db").write_text("open")
    return shop


def _run(title: str, tmp_path: Path) -> None:
    subprocess.run(["bash", "-euc", _commands(title)], cwd=tmp_path, check=True)


def _state(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in root.rglob("*")
        if path.is_file() and "airflow" not in path.parts
    }


def test_a_home_comes_back_to_the_byte_and_goes_on(tmp_path: Path) -> None:
    shop = _home(tmp_path)
    # The first back-up leaves the night's lock where there was none yet.
    _run("Back-up", tmp_path)
    before = _state(shop.root)
    shutil.rmtree(shop.root)
    _run("Restore", tmp_path)
    after = _state(shop.root)
    assert after == before
    assert after["pii.key"][1] & 0o077 == 0
    assert (tmp_path / "mystore.tar").stat().st_mode & 0o077 == 0
    assert [night.as_of for night in verify(folder_of(Home(shop.root)))] == [DAY]
    # One file under two names, as it was, and nothing is loaded twice.
    assert (shop.root / "published" / "warehouse.duckdb").stat().st_nlink == 2
    assert shop.ingest("orders").status == "unchanged"


@pytest.mark.parametrize("lock", [".night.lock", "raw/orders/.load.lock"])
def test_a_back_up_waits_for_a_step_and_for_a_load(tmp_path: Path, lock: str) -> None:
    shop = _home(tmp_path)
    file = shop.root / "ledger" / "of-two.json"
    with FileLock(shop.root / lock):
        file.write_text("half")
        running = subprocess.Popen(["bash", "-euc", _commands("Back-up")], cwd=tmp_path)
        # Long enough for a back-up that did not wait to have read the half.
        time.sleep(0.5)
        file.write_text("whole")
    assert running.wait() == 0
    read = ["tar", "--extract", "--to-stdout", "--file", "mystore.tar", "./ledger/of-two.json"]
    assert subprocess.run(read, cwd=tmp_path, capture_output=True, check=True).stdout == b"whole"
