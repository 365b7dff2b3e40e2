"""A night of which a part fails, or whose database is away: all else is published, and the night says what it owes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest
from ops_database import VARIABLE, emptied, running_server
from planted_exports import promise_a_column_that_is_none
from published import exports_and_completeness
from shop import LAST_DAY, nightshift

from pipelines.exports import EXPORTS

BROKEN = "return_risk"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_server() as uri:
        yield uri


@pytest.mark.campaign
def test_a_night_without_its_database_is_published_and_made_good(
    night_home: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(night_home, home)
    shutil.rmtree(home / "published")
    (home / "published").mkdir()
    for event in (home / "ledger" / "publishes").glob("*.json"):
        event.unlink()
    monkeypatch.setenv("NIGHTSHIFT_EXPORT_CONNECTION", "ops")
    monkeypatch.setenv(VARIABLE, "postgresql://ada:hunter2@127.0.0.1:1/ops")
    done = nightshift(home, "run", "--as-of", str(LAST_DAY))
    assert done.returncode == 1
    owed = f"{', '.join(f'{table} v1' for table in EXPORTS)} as of {LAST_DAY}"
    assert f"delivered in part: database ops has not got {owed}" in done.stderr.splitlines()[-1]
    assert "hunter2" not in done.stdout + done.stderr
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select value from meta where name = 'as_of'").fetchall() == [(str(LAST_DAY),)]
    latest = json.loads((home / "exports" / "replenishment" / "v1" / "latest.json").read_text())
    assert latest["as_of"] == str(LAST_DAY)
    assert f"in part: database ops has not got {owed}" in nightshift(home, "status").stdout
    # It is back.
    uri = emptied(server)
    monkeypatch.setenv(VARIABLE, uri)
    for table in EXPORTS:
        assert nightshift(home, "replay", table, "--as-of", str(LAST_DAY), "--database").returncode == 0
    assert "in part" not in nightshift(home, "status").stdout
    with psycopg.connect(uri) as connection:
        for table in EXPORTS:
            night = home / "exports" / table / "v1" / f"as_of={LAST_DAY}" / "manifest.json"
            count = connection.execute(f"select count(*) from nightshift.{table}_v1").fetchall()[0][0]
            assert count == json.loads(night.read_text())["row_count"]


@pytest.mark.campaign
def test_a_night_with_a_feed_and_an_export_that_fail_is_published_without_them_and_made_good(
    night_home: Path, tmp_path: Path
) -> None:
    """By the DAG the same export fails in test_airflow_night.py, to the same end."""
    home = tmp_path / "home"
    shutil.copytree(night_home, home)
    promised = promise_a_column_that_is_none(home, night_home, BROKEN)
    (delivered,) = (home / "landing" / "events").glob(f"*{LAST_DAY}*")
    whole = delivered.read_bytes()
    delivered.write_bytes(whole[: len(whole) // 2])
    done = nightshift(home, "run", "--as-of", str(LAST_DAY))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        f"nightshift: night of {LAST_DAY}: ingest events, export {BROKEN} failed, the rest is done and published; "
        f"mend it, then: nightshift run --as-of {LAST_DAY} (ingest events: "
    )
    assert "gone_units" in last
    assert f"export: demand_forecast as of {LAST_DAY}" in done.stdout
    right = {f"exp_{table}" for table in EXPORTS if table != BROKEN} | {"exp_model_decisions", "exp_night_steps"}
    assert exports_and_completeness(home) == (right, f"partial, without exports: {BROKEN}")
    told = nightshift(home, "status").stdout
    assert f"published as of {LAST_DAY}, partial, without exports: {BROKEN}" in told
    for step in ("ingest events", f"export {BROKEN}"):
        assert f"failed: {step} as of {LAST_DAY}" in told
    # It is mended.
    delivered.write_bytes(whole)
    promised.unlink()
    assert nightshift(home, "run", "--as-of", str(LAST_DAY)).returncode == 0
    assert exports_and_completeness(home) == (right | {f"exp_{BROKEN}"}, "complete")
    assert "failed" not in nightshift(home, "status").stdout
