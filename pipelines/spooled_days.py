"""The rows of a SQL source by business day, as files that stay in the home: `spool/<feed>/<what is read>/<ds>.parquet`.

A table holds one state of a row, the latest; a delivery holds the states of its day. So what was read is kept:

- A row that changed again on a later day is gone from its earlier day in the table. It stays in that day's file.
- A day that is read again, since it was still running or reaches into the overlap, is read from its start. Its file
  becomes what was read now, and of what it held those rows whose key was not read: each state is there once.
- A day without a row is a file without a row, once the day is over: a quiet day is not a late one.

Everything is done again safely: files are written beside and renamed, the watermark last. A read that was killed is
read again from the watermark before it and comes to the same files. Another table, another column in the mapping or
another timezone makes another folder, which is read from the beginning; the old one goes when that is done.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import ledger
from pipelines.delivered_sql import identifier, literal
from pipelines.feeds import FEEDS
from pipelines.fetch_postgres import EARLIEST, day_start, last_whole_day, open_snapshot
from pipelines.home import move_durably, write_atomically
from pipelines.settings import Settings
from pipelines.sources import Source, Store

Log = Callable[[str], None]


@dataclass(frozen=True)
class SpooledTable:
    """The files of one table, and up to which day they are whole."""

    folder: Path
    last_whole_day: date

    @property
    def days(self) -> list[date]:
        return sorted(date.fromisoformat(path.stem) for path in self.folder.glob("*.parquet"))


def refresh(
    root: Path, settings: Settings, feed: str, source: Source, store: Store, last: date | None, log: Log
) -> SpooledTable:
    """Read what changed since the last time into the folder below `root` that belongs to this table and mapping.

    All that changed is read; days without rows are written up to `last`.
    """
    with open_snapshot(settings, feed, source, store) as snapshot:
        survey, columns = snapshot.survey(), snapshot.columns()
        asked = [source.connection, source.table, source.updated_at, store.timezone, columns]
        folder = root / ledger.fingerprint(asked)[:16]
        incoming = folder / ".incoming"
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
        since = _since(folder, settings, store)
        count = snapshot.write_days(columns, since, survey.read_at, incoming)
    log(f"{feed}: {count:,} rows read from {source.place}, changed since {since.astimezone(store.zone):%Y-%m-%d %H:%M}")
    if survey.unreadable:
        log(
            f"{feed}: {survey.unreadable:,} rows of {source.place} are not read: their {source.updated_at} is missing, "
            "before 2000 or ahead of the server's clock"
        )
    _merge(folder, incoming, columns, _key_columns(feed, source, columns), settings)
    table = SpooledTable(folder, last_whole_day(survey.read_at, settings, store))
    _write_quiet_days(table, incoming, columns, min(last or table.last_whole_day, table.last_whole_day))
    newest = survey.newest.isoformat() if survey.newest else None
    write_atomically(folder / "read.json", ledger.canonical_json({"watermark": newest, "read_at": survey.read_at}))
    _forget_all_but(folder)
    return table


def _since(folder: Path, settings: Settings, store: Store) -> datetime:
    """From where to read: the start of the earliest day in which a row may be new."""
    path = folder / "read.json"
    watermark = json.loads(path.read_bytes())["watermark"] if path.exists() else None
    if watermark is None:
        return EARLIEST
    earliest = datetime.fromisoformat(watermark) - timedelta(minutes=settings.sql_overlap_minutes)
    return max(EARLIEST, day_start(earliest.astimezone(store.zone).date(), store))


def _key_columns(feed: str, source: Source, columns: Sequence[str]) -> list[str]:
    """The table's columns of which the mapping makes the feed's key."""
    expressions = source.expressions(feed)
    keys = source.model_copy(update={"select": {name: expressions[name] for name in FEEDS[feed].key}, "where": None})
    named = {name.lower() for name in keys.referenced_columns(feed)}
    return [name for name in columns if name.lower() in named]


def _merge(folder: Path, incoming: Path, columns: Sequence[str], keys: Sequence[str], settings: Settings) -> None:
    listed = ", ".join(identifier(name) for name in columns)
    same = " and ".join(f"read.{identifier(name)} is not distinct from held.{identifier(name)}" for name in keys)
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {settings.threads}")
        connection.execute(f"set memory_limit = {literal(settings.memory_limit)}")
        connection.execute(f"set temp_directory = {literal(str(incoming / 'spill'))}")
        for day in sorted({path.name.split(".")[0] for path in incoming.glob("*.parquet")}):
            read, held = f"read_parquet({literal(f'{incoming}/{day}.*.parquet')})", folder / f"{day}.parquet"
            rows = f"select {listed} from {read}"
            if held.exists():
                kept = f"where not exists (from {read} as read where {same})" if keys else ""
                rows += f" union all select {listed} from read_parquet({literal(str(held))}) as held {kept}"
            # Ordered by all there is, so equal rows give equal bytes and the day is not loaded again.
            beside = incoming / "merged"
            connection.execute(f"copy (from ({rows}) order by all) to {literal(str(beside))} (format parquet)")
            move_durably(beside, held)


def _write_quiet_days(table: SpooledTable, incoming: Path, columns: Sequence[str], last: date) -> None:
    found = set(table.days)
    first = min(found, default=last)
    for day in map(date.fromordinal, range(first.toordinal(), last.toordinal() + 1)):
        if day not in found:
            pq.write_table(pa.schema([(name, pa.string()) for name in columns]).empty_table(), incoming / "quiet")
            move_durably(incoming / "quiet", table.folder / f"{day}.parquet")


def _forget_all_but(folder: Path) -> None:
    shutil.rmtree(folder / ".incoming", ignore_errors=True)
    for other in folder.parent.iterdir():
        if other != folder and other.is_dir() and other.name != "objects":
            shutil.rmtree(other)
