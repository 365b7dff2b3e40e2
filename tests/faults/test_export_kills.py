"""An export with a database, killed at a rename, a flush or a statement and run again, is as if never killed."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kills import counted
from ops_database import VARIABLE, emptied, running_server
from planted_exports import export_planted, folder_of, plant
from sink_kills import FIRST, NIGHTS, night_rows

from pipelines.export_verify import verify
from pipelines.home import Home
from pipelines.settings import Settings

PROGRAM = Path(__file__).parents[1] / "sink_kills.py"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_server() as uri:
        yield uri


def _killed(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> list[dict[str, Any]]:
    """What the program of kills prints."""
    uri = emptied(server, "kills")
    monkeypatch.setenv(VARIABLE, uri)
    command = [sys.executable, str(PROGRAM), str(tmp_path), uri, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _check(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, share: float, fewest: int, seed: int) -> None:
    lines = _killed(tmp_path, server, monkeypatch, "boundaries", share, seed)
    wholes = {line["night"]: line for line in lines if "whole" in line}
    kills = [line for line in lines if "fatal" in line]
    assert sorted(wholes) == list(range(NIGHTS))
    for number, line in wholes.items():
        # The planted rows, by their keys; a night a row of the ledger; nothing half written.
        planted = {row[0]: str(row[1]) for row in night_rows(number)}
        assert {key: row[1] for key, row in line["whole"]["rows"].items()} == planted
        assert [night[0] for night in line["whole"]["applied"]] == ["plan_v1"] * (number + 1)
        assert line["whole"]["leftovers"] == []
        assert line["count"] > 40
    assert len(kills) >= fewest
    assert [kill for kill in kills if kill["status"] != signal.SIGKILL] == []
    assert [kill for kill in kills if kill["again"] != 0 or not kill["is_same"]] == []


def _check_moments(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, kills: int, seed: int) -> None:
    whole, *killed = _killed(tmp_path, server, monkeypatch, "moments", kills, seed)
    planted = {row[0]: str(row[1]) for row in night_rows(NIGHTS - 1)}
    assert {key: row[1] for key, row in whole["whole"]["rows"].items()} == planted
    assert len(killed) == kills
    # Moments lie up to a tenth behind the end.
    assert sum(kill["status"] == signal.SIGKILL for kill in killed) > kills // 2
    assert {kill["status"] for kill in killed} <= {0, int(signal.SIGKILL)}
    assert [kill for kill in killed if not (kill["is_readable"] and kill["again"] == 0 and kill["is_same"])] == []


def _check_full_disk(tmp_path: Path, every: int) -> None:
    """At writes, flushes, renames and removals of the third night."""
    home, day = Home.create(tmp_path / "home"), FIRST + timedelta(days=2)
    settings = Settings.load(home=home.root).model_copy(update={"export_csv": True})
    for number in range(2):
        plant(home, FIRST + timedelta(days=number), night_rows(number))
        export_planted(home, FIRST + timedelta(days=number), settings=settings)
    plant(home, day, night_rows(2))
    kept = shutil.copytree(home.exports, tmp_path / "kept")
    with counted(lambda call: None) as calls:
        export_planted(home, day, settings=settings)
    whole = _files(home.exports)
    assert calls.made > 10
    for fatal in range(1, calls.made + 1, every):
        shutil.rmtree(home.exports)
        shutil.copytree(kept, home.exports)

        def fail(call: int, fatal: int = fatal) -> None:
            if call == fatal:
                raise OSError(errno.ENOSPC, "No space left on device")

        with counted(fail), pytest.raises(OSError, match="No space left"):
            export_planted(home, day, settings=settings)
        days = [night.as_of for night in verify(folder_of(home))]
        assert days[:2] == [FIRST, FIRST + timedelta(days=1)], fatal
        export_planted(home, day, settings=settings)
        assert _files(home.exports) == whole, fatal


def test_a_full_disk_leaves_whole_nights_to_readers_and_the_next_export_ends_it(tmp_path: Path) -> None:
    _check_full_disk(tmp_path, every=3)


@pytest.mark.campaign
def test_a_disk_full_at_any_moment_leaves_whole_nights(tmp_path: Path) -> None:
    _check_full_disk(tmp_path, every=1)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_killed_at_some_boundaries(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _check(tmp_path, server, monkeypatch, share=0.04, fewest=5, seed=1)


@pytest.mark.campaign
def test_killed_at_every_boundary(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _check(tmp_path, server, monkeypatch, share=1.0, fewest=160, seed=1)


def test_killed_at_twenty_random_moments(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _check_moments(tmp_path, server, monkeypatch, kills=20, seed=2)


@pytest.mark.campaign
def test_killed_at_two_hundred_random_moments(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _check_moments(tmp_path, server, monkeypatch, kills=200, seed=3)
