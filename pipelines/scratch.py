"""A DuckDB in memory for rows that name people: what does not fit spills below the home, and goes with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import duckdb

from pipelines.home import Home
from pipelines.settings import Settings

_SPILL = ".spill-"


@contextmanager
def connected(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the settings' threads and memory."""
    with TemporaryDirectory(prefix=_SPILL, dir=home.root) as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": settings.threads,
            "memory_limit": settings.memory_limit,
            "temp_directory": spill,
        }
        with duckdb.connect(config=config) as connection:
            yield connection


def clear(home: Home) -> None:
    """Remove what commands that were killed have spilled."""
    for folder in home.root.glob(f"{_SPILL}*"):
        shutil.rmtree(folder)
