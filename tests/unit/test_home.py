"""The home is private, versioned, and owned by one night at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.errors import NightshiftError
from pipelines.home import COMMAND_OWNER, Home

HOUR = 60.0


def test_a_home_is_private_and_its_key_more_so(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    assert oct(home.root.stat().st_mode & 0o777) == "0o700"
    assert oct(home.key_file.stat().st_mode & 0o777) == "0o600"


def test_init_twice_keeps_the_key(tmp_path: Path) -> None:
    key = Home.create(tmp_path / "home").key_file.read_text()
    assert Home.create(tmp_path / "home").key_file.read_text() == key
    assert len(bytes.fromhex(key)) == 32


def test_a_home_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    home.version_file.write_text(json.dumps({"version": 99}))
    with pytest.raises(NightshiftError, match="version 99"):
        Home.open(home.root)


def test_a_folder_that_is_no_home_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(NightshiftError, match="nightshift init"):
        Home.open(tmp_path)


def test_between_its_steps_a_night_keeps_the_home(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    with home.held("airflow nightly A", HOUR, 0):
        pass
    with (
        pytest.raises(NightshiftError, match="held by airflow nightly A"),
        home.held("airflow nightly B", HOUR, 0),
    ):
        pytest.fail("two nights held one home")
    with home.held("airflow nightly A", HOUR, 0):
        pass
    home.release("airflow nightly B")
    with pytest.raises(NightshiftError, match="held by"), home.held("airflow nightly B", HOUR, 0):
        pytest.fail("another night's release freed the home")
    home.release("airflow nightly A")
    with home.held("airflow nightly B", HOUR, 0):
        pass


def test_a_second_step_waits_until_the_running_one_ends(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    with (
        home.held("A", HOUR, 0),
        pytest.raises(NightshiftError, match="held by A"),
        home.held("A", HOUR, 0.2),
    ):
        pytest.fail("two steps ran at once")


def test_the_hold_of_a_command_that_was_killed_heals_itself(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    code = (
        "import os, signal; from pathlib import Path; from pipelines.home import Home\n"
        f"with Home(Path({str(home.root)!r})).held(f'{COMMAND_OWNER} {{os.getpid()}}', 60, 0):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    assert (home.root / "night.json").exists()
    with home.held(f"{COMMAND_OWNER} {os.getpid()}", HOUR, 0):
        pass


def test_a_night_that_has_not_stirred_for_the_lease_loses_the_home(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    with home.held("airflow nightly A", HOUR, 0):
        pass
    lease = json.loads((home.root / "night.json").read_text())
    lease["renewed_at"] = (datetime.now(UTC) - timedelta(minutes=61)).isoformat()
    (home.root / "night.json").write_text(json.dumps(lease))
    with home.held("airflow nightly B", 60, 0):
        pass
