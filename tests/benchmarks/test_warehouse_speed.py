"""CPU and memory of ingestion and full build against one hand-written DuckDB script, and of one more night on histories
of growing length.

A store at scale 3.1 has 20 M clicks a year and, by the simulator's own ratio, 1 M order lines and 2.3 M SKU-days.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import duckdb
import pytest
from shop import NIGHTSHIFT

from pipelines import data_docs, dbt_docs, nights
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.simulate import sources_yml
from pipelines.warehouse import PROJECT, Warehouse

SCALES = (0.31, 3.1)
FIRST, AS_OF = date(2025, 1, 1), date(2025, 12, 31)
NIGHT = AS_OF + timedelta(days=1)
HISTORIES = (60, 180, 365)
OWNER = "benchmark"
MadeOnce = Callable[[str, Callable[[Path], object]], Path]
PARTS: dict[tuple[Any, str], str] = {
    (nights, "ingest"): "ingest",
    (Warehouse, "_run_dbt"): "dbt",
    (Warehouse, "_write_snapshot"): "snapshot",
    (Warehouse, "publish"): "publish",
    (dbt_docs, "publish"): "pages of dbt",
    (data_docs, "publish"): "pages of checks",
}
BUILD = ("dbt", "snapshot", "rest of build")


@dataclass(frozen=True)
class Cost:
    """What a process and those it started took."""

    cpu: float
    wall: float
    peak_gb: float

    def __str__(self) -> str:
        return f"{self.cpu:7.1f} CPU s {self.wall:6.0f} s {self.peak_gb:5.2f} GB"


def _run(command: Sequence[str | Path], **environment: str) -> tuple[Cost, str]:
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}) as running:
        assert running.stdout
        told = running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0, told
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss / 1e6), told


def _cpu_seconds() -> float:
    """Of this process and of those it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _start_of_dbt(home: Path) -> float:
    """CPU seconds in which dbt starts, reads the project for the newest build's variables and runs nothing."""
    told = json.loads((home / "dbt" / "target" / "run_results.json").read_text())["args"]["vars"]
    beside = home / "dbt" / "start"
    command = [Path(sys.executable).with_name("dbt"), "--quiet", "ls", "--vars", json.dumps(told)]
    command += ["--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", beside, "--log-path", beside]
    return _run(command, NIGHTSHIFT_WAREHOUSE=str(home / "warehouse.duckdb"), DO_NOT_TRACK="1")[0].cpu


def _store(made_once: MadeOnce, scale: float) -> Path:
    """The landing folder of a year and a day."""

    def make(folder: Path) -> None:
        days = (NIGHT - FIRST).days + 1
        _run([NIGHTSHIFT, "simulate", "--home", folder, "--scale", str(scale), "--days", str(days)])

    return made_once(f"store_{scale}", make) / "landing"


def _new_home(path: Path) -> Path:
    Home.create(path)
    (path / "sources.yml").write_text(sources_yml())
    return path


def _contents(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, tuple[Any, ...]]:
    """By table its columns with their types, its number of rows and a hash of them, in whatever order."""
    columns = connection.execute(
        "select schema_name || '.' || table_name, list(column_name || ' ' || data_type order by column_name), "
        "string_agg(column_name, ', ' order by column_name) from duckdb_columns() "
        "where database_name = $1 and schema_name in ('marts', 'features') group by 1 order by 1",
        [database],
    ).fetchall()
    counted = "select count(*), coalesce(sum(hash({})), 0) from {}.{}"
    return {
        table: (types, *connection.execute(counted.format(names, database, table)).fetchall()[0])
        for table, types, names in columns
    }


@pytest.mark.campaign
@pytest.mark.parametrize("scale", SCALES)
def test_full_build(made_once: MadeOnce, tmp_path: Path, capsys: pytest.CaptureFixture[str], scale: float) -> None:
    landing = _store(made_once, scale)
    home, by_hand = _new_home(tmp_path / "home"), tmp_path / "by_hand.duckdb"
    script = Path(__file__).with_name("warehouse_by_hand.py")
    reference, told = _run([sys.executable, script, landing, str(AS_OF), by_hand])
    at = ["--home", home, "--landing", landing]
    taken_in = _run([NIGHTSHIFT, "ingest", "--to", str(AS_OF), *at])[0]
    built = _run([NIGHTSHIFT, "build", "--as-of", str(AS_OF), *at])[0]
    start_of_dbt = _start_of_dbt(home)
    one_day = ["--from", str(AS_OF), "--to", str(AS_OF), "--again"]
    start = _run([NIGHTSHIFT, "ingest", "promotions", *one_day, *at])[0]
    with duckdb.connect() as connection:
        connection.execute(f"attach '{home / 'warehouse.duckdb'}' as built (read_only)")
        connection.execute(f"attach '{by_hand}' as by_hand (read_only)")
        ours, theirs = _contents(connection, "built"), _contents(connection, "by_hand")
    sizes = ", ".join(
        f"{ours[table][1]:,} {name}"
        for table, name in {
            "marts.fct_order_lines": "lines",
            "marts.fct_sessions": "sessions",
            "features.feat_sku_day": "SKU-days",
        }.items()
    )
    cpu = taken_in.cpu + built.cpu - start_of_dbt
    with capsys.disabled():
        print(f"\nscale {scale}, {(AS_OF - FIRST).days + 1} days: {sizes}")
        print(f"by hand  {reference}  {_listed(json.loads(told))}")
        print(f"ingest   {taken_in}  of them about {start.cpu:.1f} CPU s to start")
        print(f"build    {built}  of them {start_of_dbt:.1f} CPU s for dbt to start")
        print(f"ingest and build without the start of dbt: {cpu:.1f} CPU s, {cpu / reference.cpu:.2f} times by hand")
        print(f"not made by hand: {', '.join(sorted(set(ours) - set(theirs))) or 'nothing'}")
    assert len(theirs) >= 30
    assert {table: ours.get(table) for table in theirs} == theirs


@pytest.mark.campaign
def test_growth(
    made_once: MadeOnce, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each history is built in full; then one more day comes, in a copy of that home. Pages are no part of the sums."""
    landing = _store(made_once, max(SCALES))
    _start(tmp_path, landing)
    spent = _by_part(monkeypatch)
    home = _new_home(tmp_path / "home")
    settings = Settings.load(home=home, landing=landing)
    taken_in = 0.0
    for days in HISTORIES:
        for path in home.glob("warehouse.*"):
            path.unlink()
        nights.ingest(settings, None, AS_OF - timedelta(days=days - 1), AS_OF, _unsaid)
        taken_in += spent.pop("ingest")
        full = _built_and_published(settings, AS_OF, spent)
        later = tmp_path / f"home_{days}"
        shutil.copytree(home, later, symlinks=True)
        settings_later = Settings.load(home=later, landing=landing)
        nights.ingest(settings_later, None, NIGHT, NIGHT, _unsaid)
        night = _built_and_published(settings_later, NIGHT, spent)
        whole = taken_in + sum(full[part] for part in BUILD)
        one_more = sum(night[part] for part in ("ingest", *BUILD, "publish"))
        with capsys.disabled():
            print(f"\n{days} days of history, CPU s without start-ups")
            print(f"all      {whole:6.1f} ingest and build: {_listed({'ingest': taken_in, **full})}")
            print(f"a night  {one_more:6.1f}, {one_more / whole:.1%} of it: {_listed(night)}")


def _built_and_published(settings: Settings, day: date, spent: dict[str, float]) -> dict[str, float]:
    """CPU seconds by part since `spent` was last emptied, start-ups taken away."""
    before = _cpu_seconds()
    nights.build(settings, day, OWNER, _unsaid)
    build = _cpu_seconds() - before
    start_of_dbt = _start_of_dbt(settings.home)
    spent["rest of build"] = build - spent["dbt"] - spent["snapshot"]
    spent["dbt"] -= start_of_dbt
    before_pages = spent["dbt"]
    nights.publish(settings, day, OWNER, _unsaid)
    spent["dbt"] = before_pages
    nights.release(settings, OWNER)
    parts = dict(spent)
    spent.clear()
    return parts


def _by_part(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """CPU seconds of each part from now on, added up; what was started for it counts too."""
    spent: dict[str, float] = defaultdict(float)

    def measured(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def run(*arguments: Any, **named: Any) -> Any:
            before = _cpu_seconds()
            result = work(*arguments, **named)
            spent[part] += _cpu_seconds() - before
            return result

        return run

    for (owner, name), part in PARTS.items():
        monkeypatch.setattr(owner, name, measured(part, getattr(owner, name)))
    return spent


def _start(folder: Path, landing: Path) -> None:
    """Let Great Expectations start, which is no part of what follows."""
    settings = Settings.load(home=_new_home(folder / "start"), landing=landing)
    nights.ingest(settings, ["promotions"], FIRST, FIRST + timedelta(days=HISTORIES[0]), _unsaid)


def _listed(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{part} {spent:.1f}" for part, spent in seconds.items())


def _unsaid(line: str) -> None:
    del line
