"""Starting, following and stopping the set of processes that make up Airflow, for one data home at a time."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from types import FrameType, TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home, write_atomically
from pipelines.scheduler.api import Api
from pipelines.scheduler.configuration import DAGS_FOLDER, USER, Configuration
from pipelines.scheduler.processes import Children
from pipelines.scheduler.progress import Run
from pipelines.settings import Settings
from pipelines.sources import load_sources

Log = Callable[[str], None]

WAREHOUSE_POOL = "warehouse"
MLFLOW = "mlflow"
# Each is run by `python -m`.
COMMANDS = {
    "api-server": ("airflow", "api-server"),
    # Their log servers would listen on every interface; on one machine the api-server reads the files itself.
    "scheduler": ("dags.shared.scheduler", "--skip-serve-logs"),
    "dag-processor": ("airflow", "dag-processor"),
    "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
    MLFLOW: ("mlflow", "server"),
}
_START_SECONDS = 180.0
_POLL_SECONDS = 0.5


class Airflow:
    """A running Airflow on a data home, as a context: all of it is stopped on the way out.

    `is_scheduling` lets the DAGs' own schedules start runs; otherwise only `run` does. Raises
    `NightshiftError` when another supervisor has the home, or when a process does not come up.
    """

    def __init__(
        self, settings: Settings, log: Log = print, port: int | None = None, is_scheduling: bool = False
    ) -> None:
        self._settings = settings
        self._log = log
        self._is_scheduling = is_scheduling
        folder = Home.open(settings.home).airflow
        database = settings.database_uri("airflow_connection") if settings.airflow_connection else None
        self._configuration = Configuration(folder, port or _free_port(), database)
        self._children = Children(folder, settings.child_environment(self._configuration.environment))
        self._api = Api(self._configuration.url)
        self._lock = FileLock(folder / "supervisor.lock", mode=0o600)

    @property
    def ui_url(self) -> str:
        return self._configuration.url

    @property
    def login_file(self) -> str:
        return str(self._configuration.login_file)

    def __enter__(self) -> Self:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise NightshiftError(
                f"{self._settings.home} already has an Airflow running; stop it first (Ctrl-C where it runs)"
            ) from None
        self._on_terminate = signal.signal(signal.SIGTERM, _interrupt)
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Another Ctrl-C while stopping would leave processes behind.
        on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            self._api.close()
            self._children.stop()
        finally:
            self._lock.release()
            signal.signal(signal.SIGINT, on_interrupt)
            signal.signal(signal.SIGTERM, self._on_terminate)

    def start_mlflow(self, port: int) -> None:
        """Start the MLflow server, to be stopped with the rest, and wait until it listens on `port`."""
        self._children.start(MLFLOW, _program(*COMMANDS[MLFLOW]), mlflow_environment(self._settings, port))
        self._wait_for(MLFLOW, lambda: not _is_free(port))

    def keep_up(self) -> None:
        """Start again whichever process has ended by itself; `NightshiftError` when that does not help."""
        self._children.restart_ended(self._log)

    def run(self, dags: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Trigger one run of each DAG with its parameters and follow them, side by side, to their ends.

        Raises `NightshiftError` with each failed task, its reason and its log.
        """
        is_paused = self._api.dags()
        paused = [dag_id for dag_id, _ in dags if is_paused[dag_id]]
        try:
            runs = [self._begin(dag_id, conf) for dag_id, conf in dags]
            while not all(run.is_finished for run in runs):
                time.sleep(_POLL_SECONDS)
                self._children.check()
                for run in runs:
                    if not run.is_finished:
                        run.follow(self._api, self._configuration.logs, self._log)
        finally:
            # Should the api-server be gone, that is not the news.
            with suppress(NightshiftError):
                for dag_id in paused:
                    self._api.pause(dag_id, True)
        failed = [run for run in runs if run.state == "failed"]
        if failed:
            reasons = [reason for run in failed for reason in run.failures or [f"{run.dag_id} failed"]]
            raise NightshiftError("; ".join(reasons))

    def _begin(self, dag_id: str, conf: dict[str, Any]) -> Run:
        for run_id in self._api.unfinished_runs(dag_id):
            self._api.abandon_run(dag_id, run_id)
        self._api.pause(dag_id, False)
        return Run(dag_id, self._api.trigger(dag_id, conf))

    def _start(self) -> None:
        began = time.monotonic()
        self._children.stop_left_behind()
        store = load_sources(self._settings.sources_file).store
        self._configuration.write(store.timezone, self._is_scheduling)
        self._migrate()
        for name, arguments in COMMANDS.items():
            if name != MLFLOW:
                self._children.start(name, _program(*arguments))
        self._wait_for("Airflow's processes", self._is_healthy)
        self._api.log_in(USER, self._configuration.password)
        self._api.ensure_pool(WAREHOUSE_POOL, slots=1)
        # The part of the server that tasks talk to is built by the first call, which takes longer than a
        # task waits for an answer.
        self._api.warm_up()
        self._wait_for("Airflow's DAGs", self._has_dags)
        self._log(f"  Airflow started in {time.monotonic() - began:.0f} s; its UI: {self.ui_url}")

    def _migrate(self) -> None:
        marker = self._configuration.folder / "database_version"
        installed = version("apache-airflow-core")
        is_current = marker.exists() and marker.read_text() == installed
        # A database elsewhere may be another one than last time.
        if self._configuration.database_uri or not (is_current and self._configuration.database.exists()):
            self._children.run("db-migrate", _program("airflow", "db", "migrate"))
            write_atomically(marker, installed.encode())

    def _wait_for(self, what: str, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not is_there():
            self._children.check()
            if time.monotonic() >= deadline:
                logs = self._configuration.logs
                raise NightshiftError(f"{what}: not ready after {_START_SECONDS:.0f} s; see {logs}")
            time.sleep(_POLL_SECONDS)

    def _is_healthy(self) -> bool:
        try:
            states = self._api.health()
        except NightshiftError:
            return False
        return all(states.get(name) == "healthy" for name in ("metadatabase", "scheduler", "dag_processor"))

    def _has_dags(self) -> bool:
        for error in self._api.import_errors():
            last_line = error["stack_trace"].strip().splitlines()[-1]
            raise NightshiftError(f"Airflow cannot read {error['filename']}: {last_line}")
        return {file.stem for file in DAGS_FOLDER.glob("*.py")} - {"__init__"} <= self._api.dags().keys()


def serve(settings: Settings, airflow_port: int, mlflow_port: int, log: Log = print) -> None:
    """Run Airflow, schedules included, and the MLflow server in the foreground until Ctrl-C."""
    for name, port in (("Airflow", airflow_port), ("MLflow", mlflow_port)):
        if not _is_free(port):
            raise UsageError(f"port {port} for {name} is in use; give another one")
    with Airflow(settings, log, airflow_port, is_scheduling=True) as airflow:
        airflow.start_mlflow(mlflow_port)
        log(f"Airflow  {airflow.ui_url}  (log-in: {airflow.login_file})")
        log(f"MLflow   http://127.0.0.1:{mlflow_port}  (no log-in: everyone on this machine can open it)")
        log("Ctrl-C stops both.")
        try:
            while True:
                time.sleep(1)
                airflow.keep_up()
        except KeyboardInterrupt:
            log("stopping")


def mlflow_environment(settings: Settings, port: int) -> dict[str, str]:
    """What the server reads in place of options, which every user of the machine could see."""
    return {
        "MLFLOW_BACKEND_STORE_URI": settings.mlflow_tracking_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": str(Home(settings.home).mlflow / "artifacts"),
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
    }


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
