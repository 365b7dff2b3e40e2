"""The supervisor's parts, without starting Airflow: its files, its children, and what it reports of a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import requests

from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.scheduler import Airflow, processes, supervisor
from pipelines.scheduler.api import Api
from pipelines.scheduler.configuration import Configuration
from pipelines.scheduler.processes import Children
from pipelines.scheduler.progress import Run
from pipelines.settings import Settings


def read(configuration: Configuration) -> ConfigParser:
    parser = ConfigParser()
    parser.read(configuration.config_file)
    return parser


def test_the_configuration_is_private_local_and_keeps_its_secrets(tmp_path: Path) -> None:
    configuration = Configuration(tmp_path / "100% home" / "airflow", 8080)
    configuration.write("Europe/London", is_scheduling=False)
    first, password = read(configuration), configuration.password
    configuration.write("Europe/London", is_scheduling=True)
    second = read(configuration)
    assert {file.stat().st_mode & 0o777 for file in (configuration.config_file, configuration.login_file)} == {0o600}
    assert second["database"]["sql_alchemy_conn"] == f"sqlite:///{configuration.database}"
    assert second["api"]["host"] == "127.0.0.1"
    assert [parser["scheduler"]["use_job_schedule"] for parser in (first, second)] == ["False", "True"]
    assert configuration.password == password
    for section, name in (("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret")):
        assert first[section][name] == second[section][name]
        assert len(first[section][name]) >= 40


def test_two_homes_share_no_secret(tmp_path: Path) -> None:
    homes = [Configuration(tmp_path / name, 8080) for name in ("a", "b")]
    for home in homes:
        home.write("UTC", is_scheduling=False)
    assert homes[0].password != homes[1].password
    assert read(homes[0])["api_auth"]["jwt_secret"] != read(homes[1])["api_auth"]["jwt_secret"]


# A leader that ignores being asked, and a child of it in a process group of its own, as Airflow's tasks are.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
print(os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.3)
    (tmp_path / "logs").mkdir()
    children = Children(tmp_path, {})
    yield children
    children.stop()


def pids(children: Children, name: str, count: int) -> list[int]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = children.log_file(name).read_text().split()
        if len(found) == count:
            return [int(pid) for pid in found]
        time.sleep(0.05)
    raise AssertionError(f"{name} did not start")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_process_outlives_the_supervisor(children: Children) -> None:
    children.start("stubborn", [sys.executable, "-c", STUBBORN])
    started = pids(children, "stubborn", 2)
    assert all(is_running(pid) for pid in started)
    children.stop()
    assert not any(is_running(pid) for pid in started)
    assert not children.register.exists()


def test_a_new_supervisor_ends_what_a_killed_one_left(children: Children) -> None:
    children.start("stubborn", [sys.executable, "-c", STUBBORN])
    started = pids(children, "stubborn", 2)
    Children(children.folder, {}).stop_left_behind()
    assert not any(is_running(pid) for pid in started)


def test_a_register_of_reused_pids_harms_nobody(children: Children) -> None:
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        children.register.write_text(json.dumps([f"{bystander.pid} 1"]))
        children.stop_left_behind()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_child_that_ends_by_itself_is_named_with_its_log(children: Children) -> None:
    children.start("triggerer", ["false"])
    with pytest.raises(NightshiftError, match=r"triggerer ended by itself with status 1; see .*triggerer\.log"):
        for _ in range(100):
            children.check()
            time.sleep(0.05)


def leader(children: Children) -> int:
    (registered,) = json.loads(children.register.read_text())
    return int(registered.split()[0])


def test_a_child_that_ended_is_started_again_but_not_for_ever(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_MOST_RESTARTS", 1)
    children.start("stubborn", [sys.executable, "-c", STUBBORN])
    first = pids(children, "stubborn", 2)
    said: list[str] = []
    children.restart_ended(said.append)
    assert said == []

    def kill_and_look() -> None:
        os.kill(leader(children), signal.SIGKILL)
        for _ in range(200):
            children.restart_ended(said.append)
            time.sleep(0.02)
            if said:
                return

    kill_and_look()
    assert said == ["stubborn ended by itself with status -9 and is started again"]
    assert not any(is_running(pid) for pid in first), "what it had left would get in the way"
    pids(children, "stubborn", 4)
    assert is_running(leader(children))

    said.clear()
    with pytest.raises(NightshiftError, match="stubborn ended by itself with status -9; see"):
        kill_and_look()


def test_a_home_has_one_supervisor(tmp_path: Path) -> None:
    Home.create(tmp_path)
    settings = Settings.load(home=tmp_path)
    first, second = Airflow(settings), Airflow(settings)
    with first._lock, pytest.raises(NightshiftError, match="already has an Airflow running"):
        second.__enter__()


def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    Home.create(tmp_path)
    with supervisor.socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NightshiftError, match=f"port {port} for MLflow is in use"):
            supervisor.serve(Settings.load(home=tmp_path), supervisor._free_port(), port)


@pytest.mark.parametrize(
    ("method", "refusals", "asked"), [("PATCH", 2, 3), ("GET", 1, 2), ("POST", 1, 1), ("GET", 99, 6)]
)
def test_what_a_busy_database_refuses_is_asked_again_unless_it_starts_something(
    monkeypatch: pytest.MonkeyPatch, method: str, refusals: int, asked: int
) -> None:
    monkeypatch.setattr("pipelines.scheduler.api._PAUSE_SECONDS", 0)
    calls: list[str] = []

    def answer(verb: str, url: str, **_: Any) -> requests.Response:
        calls.append(verb)
        found = requests.Response()
        found.status_code = 500 if len(calls) <= refusals else 200
        found._content = b'{"detail": "Database error"}'
        return found

    api = Api("http://127.0.0.1:9")
    monkeypatch.setattr(api._session, "request", answer)
    if asked > refusals:
        api.call(method, "/api/v2/dags/nightly")
    else:
        with pytest.raises(NightshiftError, match="Airflow refused"):
            api.call(method, "/api/v2/dags/nightly")
    assert calls == [method] * asked


class FakeApi:
    """Answers with one moment of a run after the other."""

    def __init__(self, *moments: tuple[str, list[dict[str, Any]]]) -> None:
        self.moments = list(moments)

    def run_state(self, dag_id: str, run_id: str) -> str:
        return self.moments[0][0]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return self.moments.pop(0)[1]


def task(name: str, state: str, map_index: int = -1, rendered: str | None = None) -> dict[str, Any]:
    return {
        "dag_id": "d",
        "dag_run_id": "r",
        "task_id": name,
        "map_index": map_index,
        "rendered_map_index": rendered,
        "state": state,
        "try_number": 1,
        "duration": 4.123,
    }


def test_a_followed_run_says_each_change_once_and_why_it_failed(tmp_path: Path) -> None:
    log = tmp_path / "dag_id=d/run_id=r/task_id=build/attempt=1.log"
    log.parent.mkdir(parents=True)
    detail = [
        {"exc_type": "AirflowFailException", "exc_value": "12 % bad rows"},
        {"exc_type": "NightshiftError", "exc_value": "12 % bad rows"},
    ]
    entries = [{"level": "info", "event": "x"}, {"level": "error", "event": "Task failed", "error_detail": detail}]
    log.write_text("\n".join(["no json", *map(json.dumps, entries)]))
    api = FakeApi(
        ("running", [task("ingest", "running", 0, "0"), task("build", "scheduled")]),
        ("running", [task("ingest", "running", 0, "orders"), task("build", "running")]),
        ("running", [task("ingest", "running", 0, "orders"), task("build", "running")]),
        ("failed", [task("ingest", "success", 0, "orders"), task("build", "failed")]),
    )
    run, lines = Run("d", "r"), list[str]()
    while not run.is_finished:
        run.follow(api, tmp_path, lines.append)  # type: ignore[arg-type]
    assert [line.split() for line in "\n".join(lines).splitlines()] == [
        ["d", "ingest", "orders", "started"],
        ["d", "build", "started"],
        ["d", "ingest", "orders", "done", "4.1", "s"],
        ["d", "build", "FAILED", "4.1", "s"],
        ["12", "%", "bad", "rows"],
        ["log:", str(log)],
    ]
    assert run.failures == [f"d, build: 12 % bad rows (log: {log})"]
