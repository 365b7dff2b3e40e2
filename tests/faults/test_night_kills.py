"""A night killed half-way and run again ends as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from shop import NIGHTSHIFT, nightshift


def _home(night_home: Path, target: Path) -> Path:
    """The store, delivered and ingested, with nothing built yet; the model is there, so that scoring is the same."""
    shutil.copytree(night_home, target, symlinks=True)
    for name in ("warehouse.duckdb", "warehouse.json"):
        (target / name).unlink()
    for name in ("snapshots", "predictions", "exports", "published", "ledger/builds", "ledger/publishes"):
        shutil.rmtree(target / name)
        (target / name).mkdir()
    # Artifacts are registered under the path they had; the copy finds them there.
    return target


def _results(home: Path) -> dict[str, bytes]:
    folders = ("snapshots", "predictions", "exports")
    files = (path for folder in folders for path in sorted((home / folder).rglob("*")) if path.is_file())
    return {str(path.relative_to(home)): path.read_bytes() for path in files}


def _kill_after(home: Path, line: str, seconds: float) -> None:
    """Start a night and kill it, with all its processes, some time after a line of its progress appeared."""
    night = subprocess.Popen(
        [NIGHTSHIFT, "run", "--home", home], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert night.stderr is not None
    for said in night.stderr:
        if line in said:
            break
    else:
        pytest.fail(f"the night never said {line!r}")
    time.sleep(seconds)
    os.killpg(night.pid, signal.SIGKILL)
    night.wait()


def _check(night_home: Path, home: Path, line: str, seconds: float) -> None:
    _kill_after(_home(night_home, home), line, seconds)
    assert nightshift(home, "run").returncode == 0
    assert _results(home) == _results(night_home)
    assert (home / "published" / "warehouse.duckdb").exists()
    leftovers = [path for path in home.rglob("*") if path.name.endswith(".tmp") or "being-written" in path.name]
    assert [path for path in leftovers if "published" in path.parts or "exports" in path.parts] == []


def test_killed_while_dbt_builds(night_home: Path, tmp_path: Path) -> None:
    _check(night_home, tmp_path / "home", "dbt builds", 6.0)


@pytest.mark.campaign
@pytest.mark.parametrize("seconds", [0.0, 2.0, 4.0, 8.0, 12.0])
@pytest.mark.parametrize("line", ["dbt builds", "predictions by", "export: demand_forecast written"])
def test_killed_at_many_moments(night_home: Path, tmp_path: Path, line: str, seconds: float) -> None:
    _check(night_home, tmp_path / "home", line, seconds)
