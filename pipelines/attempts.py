"""What each step of a night took and how it ended: an event of the ledger, a line of the log, a row of a table."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from pipelines import ledger
from pipelines.delivered_sql import identifier, literal
from pipelines.home import Home

Log = Callable[[str], None]
KIND = "attempts"
_COLUMNS = {
    "started_at": "TIMESTAMP",
    **dict.fromkeys(("step", "owner", "outcome", "error", "error_kind"), "VARCHAR"),
    "as_of": "DATE",
    **dict.fromkeys(("seconds", "cpu_seconds", "memory_mb"), "DOUBLE"),
    **dict.fromkeys(ledger.ROW_COUNTS, "BIGINT"),
    "models": "MAP(VARCHAR, DOUBLE)",
}
_MONTHS = 3
_SLOWEST = 5


@contextmanager
def attempt(home: Home, step: str, as_of: date, owner: str, log: Log) -> Iterator[dict[str, Any]]:
    """Record one attempt at a step, whatever becomes of it; what the step puts into the yielded facts goes with it.

    `seconds` are on the wall, `cpu_seconds` those of this process and of what it started, `memory_mb` the most that one
    of them has ever held: the step's own where it has a process to itself, as under Airflow.
    """
    facts: dict[str, Any] = {}
    began, started, cpu = datetime.now(UTC), time.monotonic(), _cpu_seconds()
    outcome, error, kind = "done", "", ""
    try:
        yield facts
    except BaseException as failure:
        outcome, error, kind = "failed", str(failure) or type(failure).__name__, type(failure).__name__
        raise
    finally:
        seconds, memory = time.monotonic() - started, _memory_mb()
        event = {
            "step": step,
            "as_of": str(as_of),
            "owner": owner,
            "started_at": began.replace(tzinfo=None).isoformat(),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(_cpu_seconds() - cpu, 2),
            "memory_mb": round(memory),
            "outcome": outcome,
            "error": error,
            "error_kind": kind,
            **facts,
        }
        ledger.append(home, KIND, event)
        log(f"{step}: {outcome} in {seconds:.1f} s; its process has held {memory:,.0f} MB at most")


def slowest(models: dict[str, float]) -> str:
    """One line of what dbt made, and what took longest."""
    first = sorted(models.items(), key=lambda item: (-item[1], item[0]))[:_SLOWEST]
    told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in first)
    return f"dbt: {len(models):,} models and tests in {sum(models.values()):.1f} s; slowest: {told}"


def relation(home: Home) -> str:
    """The attempts of this month and the two before it as a table of SQL; older ones stay in the ledger."""
    now = datetime.now(UTC)
    months = [divmod(now.year * 12 + now.month - 1 - back, 12) for back in range(_MONTHS)]
    patterns = [f"{year}{month + 1:02}*.json" for year, month in months]
    folder = home.ledger / KIND
    there = [literal(str(folder / pattern)) for pattern in patterns if any(folder.glob(pattern))]
    if not there:
        empty = ", ".join(f"NULL::{kind} as {identifier(name)}" for name, kind in _COLUMNS.items())
        return f"(select {empty} where false)"
    columns = ", ".join(f"{identifier(name)}: {literal(kind)}" for name, kind in _COLUMNS.items())
    return f"read_json([{', '.join(there)}], columns = {{{columns}}})"


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _memory_mb() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(usage.ru_maxrss for usage in used) / 1024
