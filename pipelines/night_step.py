"""What every step of a night needs: the hold on the home, the record of the attempt, and what the feeds allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from models.questions import NAMES, description
from pipelines import attempts, feature_snapshot, ledger
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.sources import load_sources

Log = Callable[[str], None]


@contextmanager
def step(settings: Settings, name: str, as_of: date, owner: str, log: Log) -> Iterator[tuple[Home, dict[str, Any]]]:
    """Hold the home for one step and record the attempt; yields the home and what else is to be recorded."""
    home = Home.open(settings.home)
    with (
        attempts.attempt(home, name, as_of, owner, log) as facts,
        home.held(owner, settings.lease_minutes, settings.lock_wait_seconds),
    ):
        yield home, facts


def missing_feeds(settings: Settings, as_of: date) -> list[str]:
    """The feeds delivered daily of which the ledger does not show this business day yet, or not whole."""
    home = Home.open(settings.home)
    sources = load_sources(settings.sources_file)
    daily = [name for name, source in sources.feeds.items() if not source.is_bulk]
    parts = {name: ledger.partitions(home, name).get(as_of) for name in daily}
    return [name for name, part in parts.items() if part is None or part.is_running]


def able(settings: Settings, as_of: date, models: Sequence[str] | None = None, log: Log = print) -> list[str]:
    """The models, all by default, whose feeds are loaded; the others are named in the log."""
    return able_in(Home.open(settings.home), as_of, models, log)


def able_in(home: Home, as_of: date, models: Sequence[str] | None, log: Log) -> list[str]:
    """The models, all by default, whose feeds are loaded; the others are named.

    Where the day is built, they have rows of what they are about, too.
    """
    loaded, snapshot = {part.feed for part in ledger.all_partitions(home, as_of)}, _newest_snapshot(home, as_of)
    folder, able = home.snapshots / str(snapshot), []
    for model in NAMES if models is None else models:
        tables = description(model).needs_rows if snapshot else ()
        if absent := [feed for feed in description(model).needs if feed not in loaded]:
            log(f"{model}: off, no {', '.join(absent)}")
        elif empty := [table for table in tables if not feature_snapshot.row_count(folder, table)]:
            log(f"{model}: off, no rows in {', '.join(empty)}")
        else:
            able.append(model)
    return able


def snapshot_of(home: Home, as_of: date) -> str:
    """The snapshot of a day's newest build; raises `NightshiftError` with the command to run when there is none."""
    if (found := _newest_snapshot(home, as_of)) is None:
        raise NightshiftError(f"no snapshot as of {as_of}; run: nightshift build --as-of {as_of}")
    return found


def _newest_snapshot(home: Home, as_of: date) -> str | None:
    built = [str(event["snapshot"]) for event in ledger.events(home, "builds") if event["as_of"] == str(as_of)]
    return built[-1] if built and (home.snapshots / built[-1]).is_dir() else None
