"""Years of daily drops by one command: it tells how far it is, and goes on where it was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from kills import loaded
from shop import NIGHTSHIFT, nightshift

from pipelines import ledger
from pipelines.home import Home

FIRST_DAY = date(2025, 1, 1)
FEEDS = ("orders", "shipments")


def _range(days: int) -> tuple[str, ...]:
    return "--from", str(FIRST_DAY), "--to", str(FIRST_DAY + timedelta(days=days - 1))


def _kill_after(home: Path, arguments: tuple[str, ...], lines: int) -> list[str]:
    """Start a backfill and kill it when it has told so many lines of its progress; returns these."""
    command = [NIGHTSHIFT, "ingest", *FEEDS, *arguments, "--home", str(home)]
    said = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said += [line.strip()] if " loaded, " in line else []
            if len(said) == lines:
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    return said


def _check(tmp_path: Path, days: int, lines: int) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    simulated = ("simulate", "--scale", "0.005", "--days", str(days), "--feeds", ",".join(FEEDS))
    assert nightshift(undisturbed, *simulated).returncode == 0
    shutil.copytree(undisturbed, killed)
    done = nightshift(undisturbed, "ingest", *FEEDS, *_range(days))
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if " loaded, " in line]
    assert _kill_after(killed, _range(days), lines) == told[:lines]
    before = {feed: len(ledger.partitions(Home(killed), feed)) for feed in FEEDS}
    assert 0 < sum(before.values()) < len(FEEDS) * days
    resumed = nightshift(killed, "ingest", *FEEDS, *_range(days))
    assert resumed.returncode == 0
    for feed in FEEDS:
        assert loaded(killed, feed) == loaded(undisturbed, feed)
        times = Counter(
            entry["ds"] for event in ledger.events(Home(killed), f"loads/{feed}") for entry in event["partitions"]
        )
        assert set(times.values()) == {1}, "no day was loaded a second time"
        assert len(times) == days
    again = nightshift(killed, "ingest", *FEEDS, *_range(days))
    assert [line for line in again.stdout.splitlines() if "unchanged, nothing new" in line] != []
    assert " loaded, " not in again.stderr


def test_a_backfill_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    _check(tmp_path, days=200, lines=1)


@pytest.mark.campaign
@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_backfill_of_two_years_goes_on_where_it_was_killed(tmp_path: Path, lines: int) -> None:
    _check(tmp_path, days=730, lines=lines)
