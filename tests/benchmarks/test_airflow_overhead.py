"""What Airflow adds to a night at the default size of the demo: wall time of the DAG run less that of the command.

Both nights are of the same day on the same home, whose drops are taken in and whose night before is built.
"""

from __future__ import annotations

import shutil
import time
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from airflow_stack import running_stack
from shop import nightshift

from pipelines import ledger
from pipelines.home import Home

# nightshift demo's own.
SCALE, DAYS, FIRST_DAY = "0.15", 540, date(2025, 1, 1)
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
ALLOWED_SECONDS = 60


def _prepared(home: Path) -> None:
    """The night before the last day, with training; the last day is taken in."""
    arguments = ("--scale", SCALE, "--days", str(DAYS), "--first-day", str(FIRST_DAY))
    before = LAST_DAY - timedelta(days=1)
    for command in (("simulate", *arguments), ("run", "--as-of", str(before), "--train"), ("ingest",)):
        assert nightshift(home, *command).returncode == 0


def _at(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@pytest.mark.campaign
def test_what_airflow_adds_to_a_night(tmp_path: Path) -> None:
    prepared, by_command = tmp_path / "prepared", tmp_path / "by_command"
    _prepared(prepared)
    shutil.copytree(prepared, by_command, symlinks=True)

    began = time.monotonic()
    assert nightshift(by_command, "run", "--as-of", str(LAST_DAY)).returncode == 0
    command = time.monotonic() - began

    with running_stack(prepared, {}) as stack:
        run_id, state = stack.run("nightly", {"as_of": str(LAST_DAY)})
        assert state == "success"
        run = stack.api.call("GET", f"/api/v2/dags/nightly/dagRuns/{run_id}")
        tasks = stack.api.tasks("nightly", run_id)
    dag = _at(run["end_date"]) - _at(run["queued_at"])

    own = {
        event["step"]: event["seconds"]
        for event in ledger.events(Home(prepared), "attempts")
        if event["owner"].endswith(run_id)
    }
    steps = sum(own.values())
    started = sum(task["duration"] for task in tasks if task["task_id"] != "verdict") - steps
    busy = _covered([(_at(task["start_date"]), _at(task["end_date"])) for task in tasks])
    print(f"the night by the command {command:.1f} s, by the DAG {dag:.1f} s: {dag - command:.1f} s more")
    print(f"of the DAG: steps {steps:.1f} s, starting their tasks {started:.1f} s, between tasks {dag - busy:.1f} s")
    for name, seconds in own.items():
        print(f"  {name:<30} {seconds:6.1f} s")
    assert dag - command <= ALLOWED_SECONDS


def _covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one task ran."""
    total, end = 0.0, 0.0
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total
