"""What is beyond the settings goes, and nothing that a kept night, its reader or its remaking needs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import namedtuple
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kills import killed_at
from planted_exports import export_planted, folder_of, plant
from shop import Shop

from pipelines import free_space, ledger, nights, retention, whole_nights
from pipelines.cli import cli
from pipelines.decisions import PROMOTION, REFUSAL, Decision, Version, decide
from pipelines.errors import HomeBusyError, NightshiftError
from pipelines.export_verify import verify
from pipelines.home import Home
from pipelines.settings import Settings

FIRST = date(2025, 3, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(8)]
OLD = time.time() - 31 * 86_400
OWNER = f"nightshift {os.getpid()}"


def _settings(home: Home) -> Settings:
    kept = {"keep_exports": 2, "keep_snapshots": 2, "keep_published": 2, "keep_models": 1, "lock_wait_seconds": 0}
    return Settings.load(home=home.root).model_copy(update=kept)


def _version(home: Home, number: int, as_of: date, model_version: str) -> Version:
    folder = home.mlflow / "artifacts" / "models" / f"m-{number}" / "artifacts"
    folder.mkdir(parents=True)
    (folder / "trees.txt").write_text("x" * 1000)
    made = ("lightgbm", str(as_of), f"snap{number}", "{}", str(folder.relative_to(home.root)), {}, f"r{number}")
    return Version("demand", str(number), model_version, *made)


def _touch(path: Path, at: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    if at:
        os.utime(path, (at, at))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Eight nights and what they leave; tests copy it. Exports name the model versions v1 to v8, one a day of March."""
    home = Home.create(tmp_path_factory.mktemp("lived") / "home")
    for number, day in enumerate(DAYS):
        plant(home, day, [("a", number, "1.00", None)])
        ledger.append(home, "builds", {"as_of": str(day), "inputs": "i", "snapshot": f"snap{number}"})
        export_planted(home, day)
        _touch(home.predictions / "demand" / f"as_of={day}" / "data.parquet")
        _touch(home.snapshots / f"snap{number}" / "feat.parquet")
        _touch(home.published / f"as_of={day}" / "warehouse.duckdb")
    (home.snapshots / "s").mkdir()
    # Champions 1, 4 and 6; 0, 2, 3 and 5 were refused. Version 2 bears the name that the night of the 7th names.
    for number in range(7):
        kind = PROMOTION if number in (1, 4, 6) else REFUSAL
        named = "v7" if number == 2 else f"other{number}"
        decide(home, Decision(kind, "gate", _version(home, number, DAYS[number], named), "why", {}))
    undecided = home.mlflow / "artifacts" / "models" / "m-9" / "artifacts"
    _touch(undecided / "trees.txt")
    for place in ("airflow/logs/dag_id=nightly/run_id=1/attempt=1.log", "dbt/logs/dbt.log.1"):
        _touch(home.root / place, OLD)
    _touch(home.airflow / "logs" / "dag_id=nightly" / "run_id=2" / "attempt=1.log")
    _touch(home.raw / "orders" / "ds=2025-01-01" / "data.parquet", OLD)
    return home


@pytest.fixture
def home(lived: Home, tmp_path: Path) -> Home:
    return Home(shutil.copytree(lived.root, tmp_path / "home"))


def _names(home: Home, glob: str) -> list[str]:
    return sorted(path.relative_to(home.root).as_posix() for path in home.root.glob(glob))


def _days(numbers: range) -> list[str]:
    return [f"as_of={DAYS[number]}" for number in numbers]


def test_the_settings_say_what_stays(home: Home) -> None:
    before = {path for path in home.root.rglob("*") if path.is_file()}
    retention.prune(home, _settings(home), OWNER)
    # Two nights, and the one that the older of them is compared with.
    assert [path.name for path in sorted(folder_of(home).glob("as_of=*"))] == _days(range(5, 8))
    assert [path.name for path in sorted((home.predictions / "demand").iterdir())] == _days(range(5, 8))
    assert [path.name for path in sorted(home.published.iterdir())] == _days(range(6, 8))
    # Of the two newest builds; `s` is what the exports and the warehouse name; champion 6 learned from snap6.
    assert _names(home, "snapshots/*") == ["snapshots/s", "snapshots/snap6", "snapshots/snap7"]
    # The champion, the newest other, what the kept night of 7 March names, and what nothing was decided on.
    kept = [f"mlflow/artifacts/models/m-{number}" for number in (2, 5, 6, 9)]
    assert _names(home, "mlflow/artifacts/models/*") == kept
    assert _names(home, "airflow/logs/*/*/*") == ["airflow/logs/dag_id=nightly/run_id=2/attempt=1.log"]
    assert _names(home, "airflow/logs/*/*") == ["airflow/logs/dag_id=nightly/run_id=2"]
    assert _names(home, "dbt/logs/*") == []
    for folder in retention.STAYS:
        assert {p for p in before if p.is_relative_to(home.root / folder)} <= set(home.root.rglob("*")), folder
    assert (home.raw / "orders" / "ds=2025-01-01" / "data.parquet").exists()
    # Nothing more the second time.
    assert [rule.going for rule in retention.rules(home, _settings(home))] == [()] * 6


def test_kept_nights_are_whole_and_made_again_byte_by_byte(home: Home) -> None:
    retention.prune(home, _settings(home), OWNER)
    assert [night.as_of for night in verify(folder_of(home))] == DAYS[5:]
    oldest = folder_of(home) / f"as_of={DAYS[6]}"
    before = {path.name: path.read_bytes() for path in oldest.iterdir()}
    (home.root / "warehouse.json").unlink()
    plant(home, DAYS[6], [("a", 6, "1.00", None)])
    export_planted(home, DAYS[6])
    assert {path.name: path.read_bytes() for path in oldest.iterdir()} == before


def test_a_file_that_a_kept_snapshot_shares_frees_nothing(tmp_path: Path) -> None:
    kept, first, second = (tmp_path / name for name in ("kept", "first", "second"))
    for folder in (kept, first, second):
        folder.mkdir()
    (first / "own").write_bytes(bytes(10))
    (first / "all").write_bytes(bytes(200))
    (first / "both").write_bytes(bytes(3_000))
    os.link(first / "all", kept / "all")
    for name in ("all", "both"):
        os.link(first / name, second / name)
    # Of 200 bytes the kept folder has another name; the 3,000 go with their second one, and count once.
    assert free_space.freed_by([first, second]) == 10 + 3_000
    assert free_space.freed_by([first]) == 10
    assert free_space.freed_by([first / "own"]) == 10


def test_what_latest_names_stays_however_old(home: Home) -> None:
    latest = folder_of(home) / "latest.json"
    content = json.loads(latest.read_text())
    old = f"as_of={DAYS[0]}"
    latest.write_text(json.dumps({**content, "as_of": str(DAYS[0]), "manifest": f"{old}/manifest.json"}))
    retention.prune(home, _settings(home), OWNER)
    assert [path.name for path in sorted(folder_of(home).glob("as_of=*"))] == [old, *_days(range(5, 8))]
    assert (home.predictions / "demand" / old).exists()


def test_what_the_champion_learned_from_stays(home: Home) -> None:
    decide(home, Decision(PROMOTION, "ada", _version(home, 20, DAYS[0], "v20"), "back", {}))
    (home.snapshots / "snap20").mkdir()
    retention.prune(home, _settings(home), OWNER)
    assert (home.snapshots / "snap20").exists()


def _run(home: Home, *arguments: str) -> list[str]:
    done = CliRunner().invoke(cli, ["prune", *arguments, "--home", str(home.root)])
    if done.exception:
        raise done.exception
    return done.stdout.splitlines()


def test_a_dry_run_names_what_would_go_and_touches_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXPORTS", "MODELS", "SNAPSHOTS", "PUBLISHED"):
        monkeypatch.setenv(f"NIGHTSHIFT_KEEP_{name}", "1" if name == "MODELS" else "2")
    before = {path for path in home.root.rglob("*") if path.is_file()}
    said = _run(home, "--dry-run")
    assert {path for path in home.root.rglob("*") if path.is_file()} == before
    would = [home.root / line.strip() for line in said if line.startswith("  ")]
    (exports,) = (line for line in said if line.startswith("exports: "))
    assert exports.startswith(
        "exports: 5 go, 0.0 MB; stays: the newest 2 nights, and the night that the oldest of them"
    )
    assert said[-1].startswith("would free 0.0 MB; ")
    named = {path for path in before for going in would if path == going or going in path.parents}
    assert _run(home)[-1].startswith("freed 0.0 MB; ")
    assert before - set(home.root.rglob("*")) == named


def test_a_night_that_runs_is_not_disturbed(home: Home) -> None:
    before = sorted(home.root.rglob("*"))
    with home.held("airflow nightly 1", 30, 0):
        pass
    with pytest.raises(HomeBusyError, match="is held by airflow nightly 1"):
        retention.prune(home, _settings(home), OWNER)
    assert [path for path in before if not path.exists()] == []


def test_killed_anywhere_and_run_again(lived: Home, home: Home, tmp_path: Path) -> None:
    whole = Home(shutil.copytree(lived.root, tmp_path / "whole"))
    retention.prune(whole, _settings(whole), OWNER)
    expected = _names(whole, "**/*")
    work = """
from pipelines import retention
from pipelines.home import Home
from pipelines.settings import Settings
kept = {"keep_exports": 2, "keep_snapshots": 2, "keep_published": 2, "keep_models": 1}
retention.prune(Home(home), Settings.load(home=home).model_copy(update=kept), f"nightshift {os.getpid()}")
"""
    for call in (6, 9):
        died = killed_at(work, home.root, call)
        assert died.returncode == -signal.SIGKILL, died.stderr
        # Readers find whole nights and what latest.json names.
        assert DAYS[7] in [night.as_of for night in verify(folder_of(home))]
    retention.prune(home, _settings(home), OWNER)
    home.release(OWNER)
    whole.release(OWNER)
    assert [name for name in _names(home, "**/*") if name != "night.json"] == [n for n in expected if n != "night.json"]


def test_a_reader_of_the_newest_night_is_never_stopped(home: Home) -> None:
    failures: list[Exception] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            try:
                latest = json.loads((folder_of(home) / "latest.json").read_bytes())
                manifest = folder_of(home) / latest["manifest"]
                (manifest.parent / json.loads(manifest.read_bytes())["files"][0]["name"]).read_bytes()
            except Exception as error:
                failures.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    for keep in (6, 4, 2, 1):
        retention.prune(home, _settings(home).model_copy(update={"keep_exports": keep}), OWNER)
    is_over.set()
    reader.join()
    assert failures == []


_Usage = namedtuple("_Usage", "total used free")


def _with_free(monkeypatch: pytest.MonkeyPatch, megabytes: float) -> None:
    usage: Any = _Usage(10**12, 0, int(megabytes * 1_000_000))
    monkeypatch.setattr(free_space.shutil, "disk_usage", lambda path: usage)


def test_a_night_without_room_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path / "home")
    shop.map(orders="{uri: orders.csv, format: csv}")
    home, settings = Home(shop.root), shop.settings.model_copy(update={"min_free_mb": 100})
    home.warehouse.write_bytes(bytes(3_000_000))
    (home.snapshots / "s").mkdir()
    (home.snapshots / "s" / "f.parquet").write_bytes(bytes(2_000_000))
    # Twice the warehouse and the snapshot, 8 MB, and 100 MB to spare.
    _with_free(monkeypatch, 107.9)
    told = (
        f"{home.root}: 107.9 MB are free, a night writes about 8.0 MB and is to leave 100 MB (NIGHTSHIFT_MIN_FREE_MB); "
        "make room, as by nightshift prune"
    )
    day = date(2025, 1, 1)
    for begin in (
        lambda: whole_nights.run(settings, day, day, OWNER, log=lambda line: None),
        lambda: nights.build(settings, day, OWNER, lambda line: None),
    ):
        with pytest.raises(NightshiftError) as caught:
            begin()
        assert str(caught.value) == told
    _with_free(monkeypatch, 108)
    with pytest.raises(NightshiftError, match="nothing is loaded"):
        nights.build(settings, day, OWNER, lambda line: None)
