"""Where what analysts read lies: `published/warehouse.duckdb`, the newest, and `published/as_of=D/` for every kept day.

The newest day's two names are one file (a hard link), so that it takes its space once. Each name is swapped by a
rename: who has the file before it open keeps it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines import ledger
from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home, move_durably
from pipelines.settings import Settings

CUSTOMERS_LEFT_OUT = "left out"
_FILE = "warehouse.duckdb"


def newest(home: Home) -> Path:
    return home.published / _FILE


def of_day(home: Home, day: date) -> Path:
    return home.published / f"as_of={day}" / _FILE


def being_written(target: Path) -> Path:
    """Where a file is written before it takes the name `target`."""
    return target.with_name(f".{target.name}.tmp")


def days(home: Home) -> list[date]:
    """The days that have a file of their own, oldest first."""
    folders = (path.parent.name.removeprefix("as_of=") for path in home.published.glob(f"as_of=*/{_FILE}"))
    return sorted(date.fromisoformat(name) for name in folders)


def is_kept(home: Home, day: date, keep: int) -> bool:
    """Whether a file of this day would be among the newest `keep`."""
    return day in sorted({*days(home), day})[-keep:]


def newest_event(home: Home) -> dict[str, Any] | None:
    """The ledger's last publish of the newest published day; nights of earlier days may have published since."""
    return max(ledger.events(home, "publishes"), key=lambda event: (event["as_of"], event["recorded_at"]), default=None)


def place(home: Home, beside: Path, day: date, is_newest: bool) -> Path:
    """Give a finished file of `published/` its names; killed between them, the newest is still the one before."""
    target = of_day(home, day)
    target.parent.mkdir(exist_ok=True)
    if not is_newest:
        move_durably(beside, target)
        return target
    _link(beside, target)
    move_durably(beside, newest(home))
    return newest(home)


def prune(home: Home, keep: int) -> None:
    """Remove the files of all days but the newest `keep`; what a reader has open stays with it."""
    for day in days(home)[:-keep]:
        _remove(of_day(home, day))


def forget_all_but_newest(home: Home) -> None:
    """Remove every published database but the newest, also one that a killed publish left half written.

    A file that the ledger does not know was published by a step that was killed: it goes, too.
    """
    is_known = newest_event(home) is not None
    for path in list(home.published.rglob("*.duckdb*")):
        if path.is_file() and not (is_known and newest(home).exists() and path.samefile(newest(home))):
            _remove(path)


def forget_with_customers(home: Home) -> None:
    """Remove the files of days that were published with the rows of single customers."""
    for day in days(home):
        with duckdb.connect(str(of_day(home, day)), read_only=True) as connection:
            is_without = facts(connection).get("customers") == CUSTOMERS_LEFT_OUT
        if not is_without:
            _remove(of_day(home, day))


def find(home: Home, day: date | None) -> Path:
    """The file of a day, the newest by default; raises a `UsageError` that names the days there are."""
    if not newest(home).exists():
        raise NightshiftError(f"nothing is published in {home.root} yet; run: nightshift run")
    if day is None:
        return newest(home)
    if of_day(home, day).exists():
        return of_day(home, day)
    there = ", ".join(map(str, days(home)))
    raise UsageError(f"--as-of {day} is not among the published days: {there or 'none is kept by its date yet'}")


@contextmanager
def opened(path: Path, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection from which a query reaches nothing but the file: no other file, host or extension."""
    fence: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": False,
        "python_enable_replacements": False,
        "temp_directory": "",
        "threads": settings.threads,
        "memory_limit": settings.memory_limit,
        "lock_configuration": True,
    }
    with duckdb.connect(str(path), read_only=True, config=fence) as connection:
        yield connection


def facts(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What `meta` says of the file: its day, when it was built, complete or partial, rows of its tables."""
    return dict(connection.execute("select name, value from meta").fetchall())


def _link(source: Path, target: Path) -> None:
    beside = being_written(target)
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError:
        # A file system without hard links.
        shutil.copyfile(source, beside)
        beside.chmod(0o400)
    move_durably(beside, target)


def _remove(path: Path) -> None:
    path.unlink()
    if path.parent.name.startswith("as_of=") and not any(path.parent.iterdir()):
        path.parent.rmdir()
