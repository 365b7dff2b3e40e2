"""A team's server for real: its processes on PostgreSQL, a night by the REST API, one export that fails, no secrets."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb
import psycopg
import pytest
from airflow_stack import NIGHT, Stack, answers, delivered_home, running_stack, task_with_dbt
from message_servers import Received, webhook
from ops_database import running_server
from planted_exports import promise_a_column_that_is_none
from published import exports_and_completeness
from shop import LAST_DAY, nightshift

from pipelines import stack as team_server
from pipelines.home import Home
from pipelines.scheduler import supervisor
from pipelines.scheduler.configuration import Configuration
from pipelines.settings import CONNECTION, Settings

RIGHT = ("cart_recovery", "demand_forecast", "demand_forecast_total", "replenishment")
BROKEN = "return_risk"
CARTS = "cart_recovery"


@dataclass
class Server:
    """The stack after the night in which one export was to fail, and after it was mended and cleared."""

    stack: Stack
    night_home: Path
    run_id: str
    states: dict[str, str]
    message: str
    published: set[str]
    completeness: str
    cleared: dict[str, str]
    secrets: Mapping[str, str]
    rows: list[str]
    titles: set[str] = field(default_factory=set)


def secrets_of(night_home: Path, postgres: str, hook: str) -> dict[str, str]:
    """Something recognisable in every setting that may hold a secret."""
    where = postgres.partition("?")[2]
    users = {name: f"postgresql://{name}:plant-{name}-pass@/{name}?{where}" for name in ("airflow", "mlflow", "ops")}
    return {
        **{f"{CONNECTION}{name.upper()}": address for name, address in users.items()},
        f"{CONNECTION}WEBHOOK": f"http://{hook}/services/plant-webhook-path",
        f"{CONNECTION}MAIL": "smtp://night:plant-mail-pass@127.0.0.1:9",
        f"{CONNECTION}SHOP": "postgresql://reader:plant-shop-pass@127.0.0.1:9/shop",
        "AWS_ACCESS_KEY_ID": "PLANTACCESSKEY",
        "AWS_SECRET_ACCESS_KEY": "plant/aws/secret",
        "AWS_SESSION_TOKEN": "plant-aws-token",
        "NIGHTSHIFT_PII_KEY": (night_home / "pii.key").read_text(),
    }


CHOSEN = {
    "NIGHTSHIFT_AIRFLOW_CONNECTION": "airflow",
    "NIGHTSHIFT_MLFLOW_CONNECTION": "mlflow",
    "NIGHTSHIFT_EXPORT_CONNECTION": "ops",
    "NIGHTSHIFT_WEBHOOK_CONNECTION": "webhook",
}


@pytest.fixture(scope="module")
def server(night_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = delivered_home(night_home, tmp_path_factory.mktemp("airflow") / "home")
    with running_server() as postgres, webhook() as hook, pytest.MonkeyPatch.context() as patch:
        secrets = secrets_of(night_home, postgres, hook.address)
        for name, value in (secrets | CHOSEN).items():
            patch.setenv(name, value)
        patch.setenv(f"{CONNECTION}POSTGRES", postgres)
        team_server.make_databases(Settings.load(home=home), lambda _: None)
        patch.delenv(f"{CONNECTION}POSTGRES")
        with running_stack(home, {}) as stack:
            yield _night_with_a_broken_export(stack, night_home, hook, secrets)


def _night_with_a_broken_export(stack: Stack, night_home: Path, hook: Received, secrets: dict[str, str]) -> Server:
    titles: set[str] = set()
    stack.take_in_everything()
    promised = promise_a_column_that_is_none(stack.home, night_home, BROKEN)
    run_id = stack.api.trigger("nightly", NIGHT)
    killed: list[int] = []

    def look() -> None:
        titles.update(_process_titles())
        is_building = stack.states("nightly", run_id).get("tables") == "running"
        if is_building and not killed and (task := task_with_dbt(stack.home)):
            os.kill(task, signal.SIGKILL)
            killed.append(task)

    assert stack.wait("nightly", run_id, look) == "failed"
    assert killed
    states, (published, completeness) = stack.states("nightly", run_id), exports_and_completeness(stack.home)

    promised.unlink()
    stack.clear("nightly", run_id, "export")
    assert stack.wait("nightly", run_id) == "success"
    (message,) = hook.messages
    cleared, rows = stack.states("nightly", run_id), _database_text(secrets[f"{CONNECTION}AIRFLOW"])
    return Server(stack, night_home, run_id, states, message, published, completeness, cleared, secrets, rows, titles)


def _process_titles() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def _database_text(uri: str) -> list[str]:
    """Every row of Airflow's database: rendered fields, XComs, logs of events, DAGs."""
    with psycopg.connect(uri) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        return [row for (table,) in tables for (row,) in connection.execute(f'select t::text from "{table}" as t')]


def test_every_process_is_there_and_well(server: Server) -> None:
    health = server.stack.api.health()
    components = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    assert {name: health[name] for name in components} == dict.fromkeys(components, "healthy")
    assert answers(f"{server.stack.mlflow_url}/health")
    assert server.stack.children().keys() == supervisor.COMMANDS.keys()


def test_a_task_that_was_killed_is_tried_again(server: Server) -> None:
    tries = server.stack.tries("nightly", server.run_id)
    assert (tries["tables"], tries["build"]) == (2, 1)


def test_an_export_that_fails_stops_no_other_and_is_notexports_and_completeness(server: Server) -> None:
    assert {step: state for step, state in server.states.items() if state != "success"} == {
        f"export {BROKEN}": "failed",
        "verdict": "failed",
    }
    ours = {f"exp_{name}" for name in RIGHT} | {"exp_model_decisions", "exp_night_steps"}
    assert server.published == ours
    assert server.completeness == f"partial, without exports: {BROKEN}"


def test_the_night_sends_one_message_that_says_what_to_do(server: Server) -> None:
    lines = server.message.splitlines()
    assert lines[0] == f"nightly of {LAST_DAY}: partial, export {BROKEN}"
    failed = next(line for line in lines if line.startswith("failed"))
    assert re.search(rf"export {BROKEN} v1: .*gone_units.* A reader of v1 relies on it", failed)
    assert "(docs/runbook.md, contract)" in server.message
    assert f"resume   nightshift run --as-of {LAST_DAY} --home {server.stack.home}" in lines
    assert lines[-1].endswith(f"in Airflow: nightly, {server.run_id}")


def test_mended_and_cleared_it_is_whole(server: Server) -> None:
    assert set(server.cleared.values()) == {"success"}
    tables, said = exports_and_completeness(server.stack.home)
    assert (f"exp_{BROKEN}" in tables, said) == (True, "complete")
    assert not (server.stack.home / "night.json").exists(), "the night gave the home back"


def _files(folder: Path, pattern: str) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob(pattern)) if path.is_file()}


def test_the_exports_are_those_of_the_command_line_to_the_byte(server: Server) -> None:
    home = server.stack.home
    for name in ("raw", "quarantine"):
        assert _files(home / name, "*.parquet") == _files(server.night_home / name, "*.parquet"), name
    for name in ("exports", "predictions"):
        ours, theirs = _files(home / name, "*"), _files(server.night_home / name, "*")
        assert ours.keys() == theirs.keys()
        assert [path for path in ours if ours[path] != theirs[path]] == []


def test_the_database_of_the_exports_has_each_row_once(server: Server) -> None:
    with psycopg.connect(server.secrets[f"{CONNECTION}OPS"]) as connection:
        for table in (*RIGHT, BROKEN):
            manifest = server.stack.home / "exports" / table / "v1" / f"as_of={LAST_DAY}" / "manifest.json"
            ((count,),) = connection.execute(f"select count(*) from nightshift.{table}_v1").fetchall()
            assert count == json.loads(manifest.read_text())["row_count"]


def test_what_each_step_took_is_a_table(server: Server) -> None:
    sql = (
        "select step, count(*), min(seconds) > 0 and min(process_peak_mb) > 50, max(rows_in) "
        "from exports.exp_night_steps where outcome = 'done' group by step"
    )
    said = nightshift(server.stack.home, "sql", "--json", sql)
    steps = {row["step"]: row for row in json.loads(said.stdout)}
    raw = duckdb.sql(f"select count(*) from read_parquet('{server.stack.home}/raw/orders/*/data.parquet')").fetchone()
    assert {"build", "score demand", "score returns", "ingest orders", "ingest events"} <= steps.keys()
    assert raw is not None
    assert steps["ingest orders"]["max(rows_in)"] >= raw[0] > 0


def _secrets(server: Server) -> dict[str, str]:
    """What was planted, and what the stack made for itself."""
    found = {name: value for name, value in server.secrets.items() if "://" not in value}
    for name, address in server.secrets.items():
        if "://" in address:
            match = re.search("plant-[a-z-]+", address)
            assert match is not None
            found[name] = match[0]
    configuration = Configuration(server.stack.home / "airflow", 0)
    found["admin's password"] = configuration.password
    for name in ("fernet_key", "secret_key", "jwt_secret"):
        match = re.search(rf"^{name} = (\S+)$", configuration.config_file.read_text(), re.MULTILINE)
        assert match is not None
        found[name] = match[1]
    return found


def _everything_written(server: Server) -> Iterator[tuple[str, str]]:
    home = server.stack.home
    known = {home / "pii.key", home / "airflow" / "airflow.cfg", home / "airflow" / "login.json"}
    for path in home.rglob("*"):
        is_text = path.suffix in (".log", ".json", ".cfg", ".yml", ".html", ".txt", "") and path.is_file()
        if is_text and path not in known and path.relative_to(home).parts[0] not in ("landing", "mlflow", "spool"):
            yield str(path.relative_to(home)), path.read_text(errors="replace")
    yield from (("a row of Airflow's database", row) for row in server.rows)
    yield from (("a process title", title) for title in server.titles)
    yield "the message", server.message


def test_no_secret_is_written_anywhere(server: Server) -> None:
    secrets, texts = _secrets(server), list(_everything_written(server))
    # Ten were planted; password, fernet key, session key and token key are the stack's own.
    assert len(secrets) == 10 + 4
    assert any("nightly" in text for where, text in texts if where.startswith("airflow/logs"))
    assert len(server.rows) > 100
    assert any("triggerer" in title for title in server.titles)
    assert [(where, name) for where, text in texts for name, secret in secrets.items() if secret in text] == []


def test_what_holds_secrets_is_for_its_owner_alone(server: Server) -> None:
    home = server.stack.home
    assert [p for p in (home / "airflow").rglob("*") if p.stat().st_mode & 0o077 and not p.is_symlink()] == []
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.campaign
def test_a_range_of_nights_is_airflows_own_backfill(server: Server) -> None:
    """Two days, the earlier of which the warehouse has gone past; the later gives what it gave.

    Only a cart that the earlier night has meanwhile given to a group is given to none again.
    """
    first, home = LAST_DAY - timedelta(days=1), server.stack.home
    # Its manifest now tells the changes against a night before.
    before = _files(home / "exports", f"as_of={LAST_DAY}/*-*.parquet")
    days = {"from_date": f"{first}T00:00:00Z", "to_date": f"{LAST_DAY}T23:00:00Z"}
    body = {"dag_id": "nightly", **days, "max_active_runs": 1, "dag_run_conf": {}, "reprocess_behavior": "completed"}
    server.stack.api.call("POST", "/api/v2/backfills", json=body)
    runs = server.stack.api.call("GET", "/api/v2/dags/nightly/dagRuns?run_type=backfill")["dag_runs"]
    assert [server.stack.wait("nightly", run["dag_run_id"]) for run in runs] == ["success"] * 2
    assert {run["logical_date"][:10] for run in runs} == {str(first), str(LAST_DAY)}
    manifests = [json.loads(path.read_text()) for path in home.glob(f"exports/*/v1/as_of={first}/manifest.json")]
    assert {manifest["table"] for manifest in manifests} == {*RIGHT, BROKEN}
    assert {manifest["completeness"] for manifest in manifests} == {"complete"}
    after = _files(home / "exports", f"as_of={LAST_DAY}/*-*.parquet")
    assert len(before) == len(RIGHT) + 1
    assert {path.parts[0] for path in before if after.get(path) != before[path]} <= {CARTS}
    then, now, earlier = _carts(server.night_home, LAST_DAY), _carts(home, LAST_DAY), _carts(home, first)
    given = f"(select cart_id from {earlier} where experiment_group is not null)"
    assert duckdb.sql(f"from {now} where cart_id in {given}").fetchall() != [], "so that something was to be seen"
    reasons = duckdb.sql(f"select distinct suppressed_reason from {now} where cart_id in {given}").fetchall()
    assert reasons == [("decided_before",)]
    others = [f"from {carts} where cart_id not in {given} order by cart_id" for carts in (then, now)]
    assert duckdb.sql(others[0]).fetchall() == duckdb.sql(others[1]).fetchall()


def _carts(home: Path, day: date) -> str:
    folder = home / "exports" / CARTS / "v1" / f"as_of={day}"
    (file,) = json.loads((folder / "manifest.json").read_text())["files"]
    return f"read_parquet('{folder / file['name']}')"


@pytest.mark.campaign
def test_the_main_job_gives_the_bytes_of_the_command_line(
    night_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make run`: with training, under SQLite, also where the environment names the database of a server."""
    for name in CHOSEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NIGHTSHIFT_AIRFLOW_CONNECTION", "elsewhere")
    home = Home.create(tmp_path / "home").root
    shutil.copy(night_home / "pii.key", home / "pii.key")
    done = nightshift(home, "demo", "--scale", "0.02", "--days", "120")
    assert done.returncode == 0
    folder = Path("exports/demand_forecast/v1") / f"as_of={LAST_DAY}"
    assert _files(home / folder, "*") == _files(night_home / folder, "*")
    for step in ("ingest orders", "train demand", "score returns", "export replenishment", "publish", "verdict"):
        assert any(step in line and "done" in line for line in done.stderr.splitlines()), step
    assert "look further" in done.stdout
    noise = [line for line in done.stderr.splitlines() if "INFO" in line or "WARNING" in line]
    assert noise == [], "Airflow's own log lines belong into files"
