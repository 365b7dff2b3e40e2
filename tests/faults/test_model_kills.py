"""A training or promotion killed before any commit leaves exactly one champion, loadable; the next one ends it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "model_kills.py"


def _check(home: Path, every: int) -> None:
    command = [sys.executable, str(PROGRAM), str(home), str(every)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for step in ("training", "promotion"):
        whole, *kills = (line for line in lines if line["step"] == step)
        # The files and the registration, the decision, the alias and the tags.
        assert whole["count"] > {"training": 40, "promotion": 10}[step]
        assert len(kills) == whole["count"] // every > 0
        assert whole["whole"]["champion"] != whole["before"]
        for kill in kills:
            where, after = f"{step}, commit {kill['call']}", kill["after"]
            assert kill["made"] is None, f"{where}: it was not killed"
            assert after["champion"] == after["speaks"], where
            assert after["champion"] in (whole["before"], whole["whole"]["champion"]), where
            assert not after["is_fallback"], where
            assert kill["again"] == whole["whole"], where


def test_killed_at_some_commits(tmp_path: Path) -> None:
    _check(tmp_path / "home", every=18)


@pytest.mark.campaign
def test_killed_at_every_commit(tmp_path: Path) -> None:
    _check(tmp_path / "home", every=1)
