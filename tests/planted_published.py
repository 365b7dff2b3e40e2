"""A published warehouse written by hand, small enough to be swapped many times a second."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from pipelines import published
from pipelines.home import Home


def publish(home: Home, day: date, *statements: str, is_newest: bool = True) -> Path:
    """Give `published/` a file of a day that holds what the statements make, beside its `meta`."""
    beside = published.being_written(published.newest(home))
    beside.unlink(missing_ok=True)
    with duckdb.connect(str(beside)) as connection:
        facts = f"('as_of', '{day}'), ('built_at', '{day}T23:00:00+00:00'), ('completeness', 'complete')"
        connection.execute(f"create table meta as from (values {facts}) as facts (name, value)")
        for statement in statements:
            connection.execute(statement)
    beside.chmod(0o400)
    return published.place(home, beside, day, is_newest)
