"""The reference of the warehouse benchmark: one DuckDB process that makes all tables of marts and features of a
simulated store from its landing folder, by the SQL files in `by_hand/`, in their order.

It leaves out what the tables of a clean store do not need: hashes of personal data, free text, deletions, trimming,
proof of whole archives, quarantine, partitions of raw/, exchange rates, comments and tests.

    python warehouse_by_hand.py LANDING AS_OF DATABASE

prints the CPU seconds of each file as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import duckdb

STATEMENTS = sorted((Path(__file__).parent / "by_hand").glob("*.sql"))


def make_warehouse(landing: str, as_of: str, database: str) -> dict[str, float]:
    seconds = {}
    with duckdb.connect(database) as connection:
        for name, value in {"threads": 2, "memory_limit": "3GB", "preserve_insertion_order": False}.items():
            connection.execute(f"set {name} = '{value}'")
        for name, value in {"landing": landing, "as_of": as_of}.items():
            connection.execute(f"set variable {name} = $1", [value])
        for path in STATEMENTS:
            before = _cpu_seconds()
            connection.execute(path.read_text())
            connection.execute("checkpoint")
            seconds[path.stem] = _cpu_seconds() - before
    return seconds


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(make_warehouse(*sys.argv[1:])))
