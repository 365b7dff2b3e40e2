"""What was refused: rows in quarantine by feed, day and reason, and the sample that a failed load leaves."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines.batch_writing import write_quarantine
from pipelines.errors import NightshiftError, UsageError
from pipelines.feeds import FEEDS
from pipelines.home import Home, move_durably
from pipelines.settings import Settings
from pipelines.sources import Source

if TYPE_CHECKING:
    from pipelines.load_batch import Batch, DayCounts

# Enough to see what is wrong; the landing files have the rest.
SAMPLE_ROWS = 300
_TEXT_LENGTH = 500
_REFUSED = """
    with refused as (
        select *, len($reasons) = 0 or list_contains($reasons, reason) as is_asked_for
        from read_parquet($paths, hive_partitioning=false)
        where ds between coalesce($first::DATE, ds) and coalesce($last::DATE, ds)
    )
"""


@dataclass(frozen=True)
class Filters:
    """Which refused rows are meant; an empty filter lets all of them pass."""

    feeds: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.first and self.last and self.first > self.last:
            raise UsageError(f"--from {self.first} lies after --to {self.last}")

    @property
    def wanted_feeds(self) -> list[str]:
        return [feed for feed in FEEDS if not self.feeds or feed in self.feeds]

    def has_day(self, ds: date) -> bool:
        return (self.first is None or ds >= self.first) and (self.last is None or ds <= self.last)


@dataclass(frozen=True)
class Group:
    """The refused rows of one feed and day that share reason and column, and where the first of them stands."""

    feed: str
    ds: date
    reason: str
    column: str | None
    rows: int
    first_file: str
    first_line: int | None


@dataclass(frozen=True)
class RefusedRow:
    """One refused row; `text` is masked and, when `length` exceeds it, cut."""

    feed: str
    ds: date
    file: str
    line: int | None
    reason: str
    column: str | None
    text: str
    length: int


def quarantined_files(home: Home, filters: Filters) -> list[Path]:
    """The quarantine of each feed and day that the filters let pass; years of other days are not opened."""
    return [
        path
        for feed in filters.wanted_feeds
        for path in sorted((home.quarantine / feed).glob("ds=*/data.parquet"))
        if filters.has_day(date.fromisoformat(path.parent.name.removeprefix("ds=")))
    ]


def sample_file(home: Home, feed: str) -> Path:
    """Where a load of the feed that failed over its refused rows leaves a sample of them."""
    return home.quarantine / feed / "refused.parquet"


def sample_files(home: Home, filters: Filters) -> list[Path]:
    """The samples of the feeds whose last load failed over its refused rows."""
    return [path for feed in filters.wanted_feeds if (path := sample_file(home, feed)).exists()]


def groups(settings: Settings, paths: Sequence[Path], filters: Filters) -> list[Group]:
    """Refused rows counted by feed, day, reason and column."""
    select = """
        select feed, ds, reason, column_name, count(*), first(file order by file, line),
            first(line order by file, line)
        from refused where is_asked_for group by all order by feed, ds, reason, column_name
    """
    return [Group(*row) for row in _query(settings, select, paths, filters)]


def refused_rows(settings: Settings, paths: Sequence[Path], filters: Filters, limit: int) -> list[RefusedRow]:
    """The first `limit` refused rows, by feed, day, file and line."""
    select = f"""
        select feed, ds, file, line, reason, column_name, left(raw_text, {_TEXT_LENGTH}), length(raw_text)
        from refused where is_asked_for order by feed, ds, file, line, raw_text limit {limit}
    """
    return [RefusedRow(*row) for row in _query(settings, select, paths, filters)]


def day_counts(settings: Settings, paths: Sequence[Path], filters: Filters) -> dict[tuple[str, date], tuple[int, int]]:
    """For each feed and day how many rows are quarantined, and how many of them have a reason asked for."""
    select = "select feed, ds, count(*), count(*) filter (is_asked_for) from refused group by all"
    return {(feed, ds): (rows, asked) for feed, ds, rows, asked in _query(settings, select, paths, filters)}


def failed_loads(settings: Settings, paths: Sequence[Path], filters: Filters) -> list[tuple[str, date, int, int]]:
    """Of each failed load the feed, the day over the limit, its refused rows, and how many of them are kept."""
    select = """
        select feed, ds, any_value(rows_refused), any_value(rows_kept)
        from refused where is_asked_for group by all order by all
    """
    return [(feed, ds, refused, kept) for feed, ds, refused, kept in _query(settings, select, paths, filters)]


def largest_share(settings: Settings, source: Source) -> float:
    """The share of a day's rows that may be refused."""
    return settings.quarantine_max_share if source.max_quarantine_share is None else source.max_quarantine_share


def is_over_limit(settings: Settings, source: Source, refused: int, rows: int) -> bool:
    """Whether so many of so many rows are refused that the feed is."""
    return refused > settings.quarantine_max_rows and refused > largest_share(settings, source) * rows


def check_limits(home: Home, settings: Settings, batch: Batch, counts: Sequence[DayCounts]) -> None:
    """Fail a load of which a day has too many refused rows; a sample of them is kept, and the message says where."""
    feed, source = batch.feed, batch.source
    share = largest_share(settings, source)
    for day in counts:
        refused = day.rows_quarantined
        if is_over_limit(settings, source, refused, day.rows_in):
            path = sample_file(home, feed.name)
            _keep_sample(settings, write_quarantine(batch, day.ds), path)
            top = ", ".join(f"{reason} {count:,}" for reason, count in batch.top_reasons(day.ds))
            held_back = "the day is" if len(counts) == 1 else f"{counts[0].ds} to {counts[-1].ds} are"
            show = f"nightshift quarantine show --failed --feed {feed.name} --home {shlex.quote(str(home.root))}"
            raise NightshiftError(
                f"{feed.name} {day.ds}: {refused:,} of {day.rows_in:,} rows refused, over the limit of {share:.1%}, "
                f"so {held_back} not loaded: {top}; see {show} (a sample is in {path})"
            )


def _keep_sample(settings: Settings, refused: Path, path: Path) -> None:
    """Some of a failed load's refused rows, each reason and column among them, instead of an earlier sample."""
    beside = refused.with_name("sample.parquet")
    select = f"""
        with refused as (from read_parquet($refused, file_row_number=true, hive_partitioning=false)),
        placed as (
            select file_row_number,
                row_number() over (partition by reason, column_name order by file_row_number) as place
            from refused
        ),
        chosen as (select file_row_number from placed order by place, file_row_number limit {SAMPLE_ROWS})
        select * exclude file_row_number, (select count(*) from placed) as rows_refused,
            (select count(*) from chosen) as rows_kept
        from refused semi join chosen using (file_row_number) order by file_row_number
    """
    with _connect(settings) as connection:
        connection.execute(
            f"copy ({select}) to $beside (format parquet, compression snappy)",
            {"refused": str(refused), "beside": str(beside)},
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    move_durably(beside, path)


def _query(settings: Settings, select: str, paths: Sequence[Path], filters: Filters) -> list[tuple[Any, ...]]:
    if not paths:
        return []
    values = {
        "paths": [str(path) for path in paths],
        "first": filters.first,
        "last": filters.last,
        "reasons": list(filters.reasons),
    }
    try:
        with _connect(settings) as connection:
            return connection.execute(_REFUSED + select, values).fetchall()
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        raise NightshiftError(
            f"quarantine cannot be read, as while a load replaces it or when a file is damaged: {message}"
        ) from error


def _connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A connection that spills nothing: what was refused may name people, and a reader may be killed."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": settings.threads,
        "memory_limit": settings.memory_limit,
        "temp_directory": "",
    }
    return duckdb.connect(config=config)
