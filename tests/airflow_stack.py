"""The processes of a team's server on this machine, on a real PostgreSQL, and what a script can ask of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from shop import DAYS, FIRST_DAY, LAST_DAY, NIGHTSHIFT

from pipelines.errors import NightshiftError
from pipelines.feeds import INGESTIONS
from pipelines.home import Home
from pipelines.scheduler.api import Api
from pipelines.scheduler.processes import Children

START_SECONDS, RUN_SECONDS = 180, 300
FINAL = ("success", "failed")
RANGE = {"first_day": str(FIRST_DAY), "last_day": str(LAST_DAY)}
NIGHT = {"as_of": str(LAST_DAY)}
assert (LAST_DAY - FIRST_DAY).days == DAYS - 1


@dataclass
class Stack:
    """`nightshift up` that is running; `api` is logged in."""

    home: Path
    api: Api
    airflow_url: str
    mlflow_url: str
    process: subprocess.Popen[bytes]

    def run(self, dag_id: str, conf: Mapping[str, Any]) -> tuple[str, str]:
        """Trigger a run and wait for its end; its id and state."""
        run_id = self.api.trigger(dag_id, dict(conf))
        return run_id, self.wait(dag_id, run_id)

    def wait(
        self, dag_id: str, run_id: str, during: Callable[[], None] = lambda: None, is_patient: bool = False
    ) -> str:
        """Wait for a run's end, looking around meanwhile; with patience also while the API does not answer."""
        deadline, state = time.monotonic() + RUN_SECONDS, "unknown"
        while state not in FINAL:
            assert time.monotonic() < deadline, f"{dag_id} {run_id} is {state}"
            try:
                state = self.api.run_state(dag_id, run_id)
                during()
            except NightshiftError as error:
                if not is_patient:
                    raise
                print(f"not now: {error}")
            time.sleep(0.3)
        return state

    def take_in_everything(self) -> None:
        runs = [(dag_id, self.api.trigger(dag_id, RANGE)) for dag_id in INGESTIONS]
        assert [self.wait(*run) for run in runs] == ["success"] * len(runs)

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """State by task, with what a mapped one is mapped to."""
        tasks = self.api.tasks(dag_id, run_id)
        return {f"{t['task_id']} {t['rendered_map_index'] or ''}".strip(): t["state"] for t in tasks}

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear tasks and what follows them, as the page of a run does."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": list(task_ids), "include_downstream": True}
        self.api.call("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body | {"only_failed": False})

    def tries(self, dag_id: str, run_id: str) -> dict[str, int]:
        return {task["task_id"]: task["try_number"] for task in self.api.tasks(dag_id, run_id)}

    def children(self) -> dict[str, int]:
        """Pid of each program by name, which is that of the log it writes."""
        leaders = json.loads((self.home / "airflow" / "children.json").read_text())
        pids = [int(leader.split()[0]) for leader in leaders]
        return {Path(f"/proc/{pid}/fd/1").readlink().stem: pid for pid in pids}


@contextmanager
def running_stack(home: Path, environment: Mapping[str, str]) -> Iterator[Stack]:
    """Start it, let every DAG run, and stop it as a person would; nothing of it may be left."""
    ports = [_free_port() for _ in range(2)]
    arguments = ["--airflow-port", str(ports[0]), "--mlflow-port", str(ports[1])]
    log = home / "up.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [NIGHTSHIFT, "up", "--home", home, *arguments],
            # By their schedules the DAGs would be due; only what the test asks for is to run.
            env={**os.environ, "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False", **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for_line(process, log, "Ctrl-C stops both.")
        url, mlflow = (f"http://127.0.0.1:{port}" for port in ports)
        api = Api(url)
        api.log_in("admin", json.loads((home / "airflow" / "login.json").read_text())["admin"])
        for dag_id in api.dags():
            api.call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})
        yield Stack(home, api, url, mlflow, process)
        api.close()
    finally:
        # Not SIGINT, which is ignored by whatever a shell has started in the background.
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            Children(home / "airflow", {}).stop_left_behind()
            raise
    assert process.returncode == 0, log.read_text()
    assert not (home / "airflow" / "children.json").exists()


def delivered_home(night_home: Path, target: Path) -> Path:
    """The store of `night_home` with its champions, its key and its deliveries, of which nothing is taken in yet."""
    home = Home.create(target)
    # run_id covers the inputs, hashed e-mail addresses among them: one key for both homes.
    for name in ("pii.key", "sources.yml"):
        shutil.copy(night_home / name, home.root / name)
    for name in ("landing", "decisions", "mlflow"):
        shutil.copytree(night_home / name, home.root / name, dirs_exist_ok=True)
    return home.root


def task_with_dbt(home: Path) -> int | None:
    """The process of a task that runs dbt on the home now."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"pipelines.bound_dbt" in (command := (path / "cmdline").read_bytes()) and str(home).encode() in command:
                return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    return None


def answers(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=10).ok


def _wait_for_line(process: subprocess.Popen[bytes], log: Path, line: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while line not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
