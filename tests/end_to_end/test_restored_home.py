"""A home restored from a back-up without what can be made again makes the same night of it, to the byte."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest
from shop import LAST_DAY, nightshift

PAGE = (Path(__file__).parents[2] / "docs" / "home.md").read_text()


def _commands(title: str) -> str:
    """What the page tells to type under a title, but for our own commands."""
    (block, *_) = re.findall(r"```bash\n(.*?)```", PAGE.split(f"## {title}\n")[1], re.DOTALL)
    return "\n".join(line for line in block.splitlines() if not line.startswith(".venv"))


def _exports(home: Path) -> dict[str, bytes]:
    return {
        path.relative_to(home).as_posix(): path.read_bytes() for path in (home / "exports").rglob("*") if path.is_file()
    }


def _rows(home: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute("select name, value from meta where name <> 'built_at' order by name").fetchall()


@pytest.mark.campaign
def test_a_restored_home_makes_the_same_night_again(night_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "var" / "mystore"
    shutil.copytree(night_home, home)
    before = _exports(home), _rows(home)
    (left_out,) = re.findall(r"leave out what a night makes again: `(.*?)`", PAGE.replace("\n", " "))
    back_up = _commands("Back-up").replace("--exclude=./airflow", f"--exclude=./airflow {left_out}")
    subprocess.run(["bash", "-euc", back_up], cwd=tmp_path, check=True)
    shutil.rmtree(home)
    subprocess.run(["bash", "-euc", _commands("Restore")], cwd=tmp_path, check=True)
    assert not list(home.glob("warehouse*"))
    shutil.rmtree(home / "exports")
    (home / "exports").mkdir()
    assert nightshift(home, "run", "--as-of", str(LAST_DAY)).returncode == 0
    assert (_exports(home), _rows(home)) == before
