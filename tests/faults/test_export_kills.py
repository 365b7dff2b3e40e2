"""An export with a database, killed at a rename, a flush or a statement and run again, is as if never killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ops_database import VARIABLE, emptied, running_server
from sink_kills import NIGHTS, night_rows

PROGRAM = Path(__file__).parents[1] / "sink_kills.py"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_server() as uri:
        yield uri


def _check(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, share: float, fewest: int, seed: int) -> None:
    uri = emptied(server, "kills")
    monkeypatch.setenv(VARIABLE, uri)
    command = [sys.executable, str(PROGRAM), str(tmp_path), uri, str(share), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
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


def test_killed_at_some_boundaries(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _check(tmp_path, server, monkeypatch, share=0.05, fewest=6, seed=1)


@pytest.mark.campaign
def test_killed_at_every_boundary(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _check(tmp_path, server, monkeypatch, share=1.0, fewest=160, seed=1)
