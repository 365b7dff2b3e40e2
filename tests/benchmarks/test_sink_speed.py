"""Seconds of applying a million rows to PostgreSQL, against a bare COPY of the same rows into the same table.

The bare COPY sends text that lies ready in memory and commits; it neither reads a file nor keeps a ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import duckdb
import psycopg
import pytest
from ops_database import TABLE, VARIABLE, emptied, running_server, settings_of
from planted_exports import deliver, export_planted, folder_of

from pipelines.export_files import parquet
from pipelines.export_night import Night
from pipelines.home import Home
from pipelines.sinks import postgres
from pipelines.sinks.copied_rows import csv_chunks

ROWS = 1_000_000
RUNS = 3
FIRST = date(2025, 3, 1)


def _night(home: Home, number: int, changed: int) -> Night:
    """A million rows of which the first `changed` have the night's number."""
    day = FIRST + timedelta(days=number)
    deliver(home, day, [])
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(
            f"insert into exports.exp_plan select date '{day}', 'sku', 'SKU-' || lpad(n::text, 8, '0'), {day.day}, "
            f"n % 100 + if(n < {changed}, {number}, 0), n / 100, 'expected demand exceeds stock in ' || n % 30 || "
            f"' days', 'lightgbm', 'f3a1b2c4', 'run-{day}' from range({ROWS}) as r(n)"
        )
    export_planted(home, day)
    return Night(folder_of(home) / f"as_of={day}")


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


@pytest.mark.campaign
def test_a_million_rows_against_a_bare_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home.create(tmp_path / "home")
    settings = settings_of(home.root)
    first, same, few, all_rows = (_night(home, n, changed) for n, changed in enumerate((0, 0, ROWS // 100, ROWS)))
    chunks = list(csv_chunks(duckdb.connect(), f"select * from {parquet(first.rows)}"))
    with running_server() as server:
        uri = emptied(server)
        monkeypatch.setenv(VARIABLE, uri)
        bare, applied = [], []
        for _ in range(RUNS):
            with psycopg.connect(uri, autocommit=True) as connection:
                connection.execute("drop schema if exists nightshift cascade")
                connection.execute((folder_of(home) / "postgres.sql").read_bytes())
                connection.execute("checkpoint")

                def copy(connection: psycopg.Connection[tuple[object, ...]] = connection) -> None:
                    with connection.cursor().copy(f"copy {TABLE} from stdin (format csv)") as stream:
                        for chunk in chunks:
                            stream.write(chunk)

                bare.append(_seconds(copy))
                connection.execute("drop schema if exists nightshift cascade")
                connection.execute("checkpoint")
            applied.append(_seconds(lambda: postgres.apply(home, settings, first)))
        times = median(applied) / median(bare)
        told = [f"bare COPY {median(bare):.1f} s, the sink {median(applied):.1f} s, {times:.2f} times"]
        for night, what in ((same, "nothing"), (few, "1 row of 100"), (all_rows, "every row")):
            started = time.monotonic()
            outcome = postgres.apply(home, settings, night)
            seconds = time.monotonic() - started
            told.append(f"the next night, {what} changed: {seconds:.1f} s ({outcome.updated:,} updated)")
        with psycopg.connect(uri) as connection:
            assert connection.execute(f"select count(*), count(distinct key) from {TABLE}").fetchall() == [(ROWS, ROWS)]
    with capsys.disabled():
        print("", f"{ROWS:,} rows, median of {RUNS}:", *told, sep="\n")
