"""Exports with a database, killed at chosen boundaries or at random moments; run by its test as a program of its own.

The parent holds no connection and no database: every step is a forked child, so that none waits for the threads of
another and no kill pays for imports. Prints a JSON line a kill: where, how the child ended, what is there after the
night was exported again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
from kills import counted, leftovers
from ops_database import applied_nights, at_statements, rows_of, settings_of
from planted_exports import Row, export_planted, plant

from pipelines import export_delivery, ledger
from pipelines.export_verify import verify
from pipelines.home import Home
from pipelines.sinks.places import places

FIRST = date(2025, 3, 1)
NIGHTS = 4


def night_rows(number: int) -> list[Row]:
    """Rows come, change and go from night to night."""
    rows: dict[str, Row] = {}
    for key in range(60):
        at_random = random.Random(f"{key} {number // (1 + key % 3)}")
        if at_random.random() < 0.8:
            rows[f"k{key}"] = (f"k{key}", at_random.randint(0, 99), "1.00", f"reason {at_random.random()}")
    return list(rows.values())


def export(home: Home, number: int) -> None:
    """A night's files, then its database, as `nightshift export` does after its build."""
    settings = settings_of(home.root).model_copy(update={"export_csv": True})
    report = export_planted(home, FIRST + timedelta(days=number), settings=settings)
    assert not export_delivery.deliver(home, [report.path.parent], places(home, settings), lambda line: None)


def in_child(work: Callable[[], Any]) -> tuple[int, Any]:
    """Run work in a child of its own; returns its wait status and what it returned, as JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        result = json.dumps(work()).encode()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(result)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return status, json.loads(text) if text else None


def killed_at(home: Home, number: int, fatal: int) -> int:
    """Export a night and die at a boundary of file or statement; with 0 live and tell how many there are."""
    count = 0

    def boundary(*_: int) -> None:
        nonlocal count
        count += 1
        if count == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    with ExitStack() as patches:
        patches.enter_context(counted(boundary))
        patches.enter_context(at_statements(boundary))
        export(home, number)
    return count


def seen(home: Home, uri: str) -> dict[str, Any]:
    files = {
        str(path.relative_to(home.root)): ledger.file_sha256(path) for path in home.exports.rglob("*") if path.is_file()
    }
    rows = {key: [str(value) for value in row] for key, row in rows_of(uri).items()}
    return {
        "files": files,
        "rows": rows,
        "applied": [list(night) for night in applied_nights(uri)],
        "leftovers": [str(path) for path in leftovers(home.exports)],
    }


def prepared(home: Home, uri: str, number: int) -> None:
    """Make a home and a database with all nights before `number`, and that one built."""
    shutil.rmtree(home.root, ignore_errors=True)
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("drop schema if exists nightshift cascade")
    Home.create(home.root)
    for earlier in range(number + 1):
        plant(home, FIRST + timedelta(days=earlier), night_rows(earlier))
        if earlier < number:
            export(home, earlier)


def at_boundaries(home: Home, uri: str, share: float, seed: int) -> None:
    """Of every night a share of all boundaries."""
    chance = random.Random(seed)
    for number in range(NIGHTS):
        in_child(partial(prepared, home, uri, number))
        _, count = in_child(partial(killed_at, home, number, 0))
        _, whole = in_child(partial(seen, home, uri))
        print(json.dumps({"night": number, "count": count, "whole": whole}), flush=True)
        for fatal in range(1, count + 1):
            if chance.random() > share:
                continue
            in_child(partial(prepared, home, uri, number))
            status, _ = in_child(partial(killed_at, home, number, fatal))
            failed, _ = in_child(partial(export, home, number))
            _, after = in_child(partial(seen, home, uri))
            killed = {"night": number, "fatal": fatal, "status": status, "again": failed, "is_same": after == whole}
            print(json.dumps(killed), flush=True)


def at_moments(home: Home, uri: str, kills: int, seed: int) -> None:
    """The last night, whose changed rows travel, at so many moments of its time and shortly after."""
    chance, number = random.Random(seed), NIGHTS - 1
    in_child(partial(prepared, home, uri, number))
    kept = shutil.copytree(home.root, home.root.with_name("kept"))
    in_child(partial(saved, uri))
    began = time.monotonic()
    in_child(partial(export, home, number))
    seconds = time.monotonic() - began
    _, whole = in_child(partial(seen, home, uri))
    print(json.dumps({"night": number, "whole": whole}), flush=True)
    for _ in range(kills):
        shutil.rmtree(home.root)
        shutil.copytree(kept, home.root)
        in_child(partial(restored, uri))
        status = killed_after(partial(export, home, number), chance.uniform(0, 1.1 * seconds))
        _, is_right = in_child(partial(is_readable, home))
        failed, _ = in_child(partial(export, home, number))
        _, after = in_child(partial(seen, home, uri))
        killed = {"status": status, "is_readable": is_right, "again": failed, "is_same": after == whole}
        print(json.dumps(killed), flush=True)


def killed_after(work: Callable[[], Any], seconds: float) -> int:
    """Run work in a child that is killed after some time, unless it has ended; returns its wait status."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def is_readable(home: Home) -> bool:
    """Whether every night with a manifest is whole, and `latest.json` names one; raises what is not."""
    root = home.exports / "plan" / "v1"
    return len(list(verify(root))) >= NIGHTS - 1 and (root / "latest.json").exists()


def saved(uri: str) -> None:
    """Keep the database's schema as it is, under another name."""
    _copied(uri, "nightshift", "kept")


def restored(uri: str) -> None:
    """Make the database's schema what was kept."""
    _copied(uri, "kept", "nightshift")


def _copied(uri: str, source: str, target: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"drop schema if exists {target} cascade")
        connection.execute(f"create schema {target}")
        for table in ("plan_v1", "applied_nights"):
            connection.execute(f"create table {target}.{table} (like {source}.{table} including all)")
            connection.execute(f"insert into {target}.{table} overriding system value select * from {source}.{table}")
        # The identity column goes on behind what was copied.
        connection.execute(
            f"select setval(pg_get_serial_sequence('{target}.applied_nights', 'sequence'), max(sequence)) "
            f"from {target}.applied_nights"
        )


def main(folder: Path, uri: str, how: str, extent: float, seed: int) -> None:
    for name in ("pandas", "pyarrow.csv", "pipelines.sinks.postgres"):
        # What every child would import anew.
        import_module(name)
    home = Home(folder / "home")
    if how == "boundaries":
        at_boundaries(home, uri, extent, seed)
    else:
        at_moments(home, uri, int(extent), seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
