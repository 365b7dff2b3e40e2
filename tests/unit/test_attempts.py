"""What a step took is recorded whatever becomes of it; dbt's outcome by model; dbt ends with who started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines import attempts, ledger
from pipelines.dbt_outcome import DbtOutcome
from pipelines.errors import HomeBusyError
from pipelines.home import Home

DAY = date(2025, 3, 1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


def test_an_attempt_says_what_it_took_in_ledger_log_and_table(home: Home) -> None:
    said: list[str] = []
    with attempts.attempt(home, "score demand", DAY, "airflow nightly x", said.append) as facts:
        facts["rows_in"] = 784
        facts["models"] = {"fct_orders": 1.5}
    with (
        pytest.raises(HomeBusyError),
        attempts.attempt(home, "build", DAY, "airflow nightly x", said.append),
    ):
        raise HomeBusyError("held by another")
    assert [line.split(" in ")[0] for line in said] == ["score demand: done", "build: failed"]
    rows = duckdb.sql(
        "select step, outcome, error, error_kind, as_of, rows_in, models['fct_orders'], memory_mb > 10, "
        f"started_at <= now()::timestamp from {attempts.relation(home)} order by step desc"
    ).fetchall()
    assert rows == [
        ("score demand", "done", "", "", DAY, 784, 1.5, True, True),
        ("build", "failed", "held by another", "HomeBusyError", DAY, None, None, True, True),
    ]


def test_the_log_names_what_dbt_took_longest_for() -> None:
    took = {"a": 0.5, "b": 3.0, "c": 0.25, "d": 1.0, "e": 0.25, "f": 0.125}
    assert attempts.slowest(took) == (
        "dbt: 6 models and tests in 5.1 s; slowest: b 3.0 s, d 1.0 s, a 0.5 s, c 0.2 s, e 0.2 s"
    )


def test_a_home_without_attempts_has_the_same_table_empty(home: Home) -> None:
    empty = duckdb.sql(f"select * from {attempts.relation(home)}")
    with attempts.attempt(home, "build", DAY, "x", lambda _: None):
        pass
    filled = duckdb.sql(f"select * from {attempts.relation(home)}")
    assert (empty.columns, empty.types) == (filled.columns, filled.types)
    assert (len(empty), len(filled)) == (0, 1)


def test_attempts_of_long_ago_stay_in_the_ledger_alone(home: Home) -> None:
    with attempts.attempt(home, "build", DAY, "x", lambda _: None):
        pass
    (path,) = (home.ledger / "attempts").iterdir()
    (path.parent / f"202001{path.name[6:]}").write_bytes(path.read_bytes())
    assert len(list(ledger.events(home, "attempts"))) == 2
    assert len(duckdb.sql(f"select * from {attempts.relation(home)}")) == 1


def outcome(target: Path, *results: tuple[str, str, str]) -> DbtOutcome:
    """A project of two exports, a test each, and `exp_total`, which reads `exp_plan`."""
    nodes: dict[str, Any] = {
        "model.n.feat": {"name": "feat", "resource_type": "model", "depends_on": {"nodes": []}},
        "model.n.exp_plan": {"name": "exp_plan", "resource_type": "model", "depends_on": {"nodes": ["model.n.feat"]}},
        "model.n.exp_risk": {"name": "exp_risk", "resource_type": "model", "depends_on": {"nodes": ["model.n.feat"]}},
        "model.n.exp_total": {
            "name": "exp_total",
            "resource_type": "model",
            "depends_on": {"nodes": ["model.n.exp_plan"]},
        },
    }
    for table in ("plan", "risk", "total"):
        about = {"nodes": [f"model.n.exp_{table}"]}
        nodes[f"test.n.key_{table}.1"] = {"name": f"key_{table}", "resource_type": "test", "depends_on": about}
    (target / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    rows = [{"unique_id": u, "status": s, "message": m, "execution_time": 0.25} for u, s, m in results]
    (target / "run_results.json").write_text(json.dumps({"results": rows}))
    return DbtOutcome.read(target)


def test_a_failed_test_makes_its_own_table_doubtful_and_what_comes_of_it(tmp_path: Path) -> None:
    found = outcome(
        tmp_path,
        ("model.n.exp_plan", "success", "OK"),
        ("model.n.exp_risk", "success", "OK"),
        ("test.n.key_plan.1", "fail", "Got 2 results"),
        ("test.n.key_risk.1", "pass", ""),
        ("model.n.exp_total", "skipped", ""),
        ("test.n.key_total.1", "skipped", ""),
    )
    assert found.failed == {"exp_plan": "Got 2 results", "exp_total": "key_plan failed"}
    assert found.told(Path("x.log")) == "dbt build failed: key_plan (Got 2 results); the whole output is in x.log"
    assert found.seconds["exp_risk"] == 0.25


def test_a_failed_model_takes_its_children_along_and_no_other(tmp_path: Path) -> None:
    found = outcome(
        tmp_path,
        ("model.n.exp_plan", "error", "Binder Error:\n  no column x"),
        ("model.n.exp_risk", "success", "OK"),
        ("test.n.key_plan.1", "skipped", ""),
        ("model.n.exp_total", "skipped", ""),
    )
    assert found.failed == {"exp_plan": "Binder Error: no column x", "exp_total": "exp_plan failed"}


def test_a_dbt_that_did_not_start_names_no_model(tmp_path: Path) -> None:
    found = DbtOutcome.read(tmp_path)
    assert (found.failed, found.seconds) == ({}, {})
    assert found.told(Path("x.log")) == "dbt build failed: it did not start; the whole output is in x.log"


STARTS_DBT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "pipelines.bound_dbt", "parse", "--project-dir", sys.argv[1]])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_dbt_ends_with_the_step_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS_DBT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as step:
        assert step.stdout is not None
        dbt = Path(f"/proc/{step.stdout.readline().strip()}")
        # A library of dbt's: it imports dbt only when it is bound.
        _wait_until(lambda: "pydantic_core" in (dbt / "maps").read_text())
        os.kill(step.pid, signal.SIGKILL)
        _wait_until(lambda: not dbt.exists() or " Z " in (dbt / "stat").read_text())


def _wait_until(is_so: Any) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
