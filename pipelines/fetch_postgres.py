"""A table of a PostgreSQL server, read by the column that says when a row last changed.

One read is one transaction, REPEATABLE READ and READ ONLY: it sees the table as of one instant and can change
nothing. It begins with the whole business day of the last row read before, less an overlap; rows come in order of
`updated_at` through a cursor of the server's, so memory holds some thousand of them, and are written as Parquet, one
file a business day. Every value is text, as from a CSV file: no type of the server's is lost or refused on the way.

What reading by `updated_at` can and cannot see:

- *Committed late.* A row shows only when its transaction commits, its `updated_at` may be that of its begin. Such a
  row is found when it belongs to a day that is read again; the overlap is how late it may come (a setting).
- *Ahead of the server's clock, before the year 2000, or without `updated_at`.* Not read, and counted. The watermark
  never passes the server's clock, so one row dated 2099 hides no other.
- *Deleted.* Never seen; a store marks the row instead, and the mapping tells by `is_deleted`.
- *Changed twice between two reads.* Only the latest state was ever there to be read.

Only the columns that the mapping reads are asked for. Names are quoted by psycopg, values are bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from pipelines.errors import NightshiftError, UsageError
from pipelines.feeds import FEEDS
from pipelines.postgres_connection import connect, fault_of
from pipelines.settings import Settings
from pipelines.sources import Source, Store

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_ROWS = 5_000


@dataclass(frozen=True)
class Survey:
    """What a snapshot shows before it is read: its instant by the server's clock, and the span of `updated_at`."""

    read_at: datetime
    oldest: datetime | None
    newest: datetime | None
    unreadable: int


class Snapshot:
    """A table as of one instant, while the connection is open."""

    def __init__(self, connection: psycopg.Connection[Any], feed: str, source: Source, store: Store) -> None:
        self._connection, self._feed, self._source = connection, feed, source
        self._table = sql.Identifier(*str(source.table).split("."))
        self._updated = sql.Identifier(str(source.updated_at))
        # Days are the store's; text of an instant then carries the store's offset.
        session = "select set_config('TimeZone', %s, true), set_config('DateStyle', 'ISO, YMD', true)"
        connection.execute(session, (store.timezone,))

    def survey(self) -> Survey:
        # Two looks, each of which an index on the column answers.
        span = sql.SQL(
            "select transaction_timestamp(), min({updated})::timestamptz, max({updated})::timestamptz from {table} "
            "where {updated} >= %(earliest)s and {updated} <= transaction_timestamp()"
        ).format(updated=self._updated, table=self._table)
        others = sql.SQL(
            "select count(*) from {table} where {updated} is null or {updated} < %(earliest)s "
            "or {updated} > transaction_timestamp()"
        ).format(updated=self._updated, table=self._table)
        read_at, oldest, newest = self._connection.execute(span, {"earliest": EARLIEST}).fetchall()[0]
        unreadable = self._connection.execute(others, {"earliest": EARLIEST}).fetchall()[0][0]
        return Survey(read_at, oldest, newest, unreadable)

    def columns(self) -> list[str]:
        """The table's columns that the mapping reads; raises `UsageError` when it has not got one."""
        cursor = self._connection.execute(sql.SQL("select * from {} limit 0").format(self._table))
        names = [column.name for column in cursor.description or ()]
        present = {name.lower() for name in names}
        wanted = self._source.referenced_columns(self._feed)
        for name in wanted:
            contract = None if self._source.select else FEEDS[self._feed].column(name)
            is_needed = contract is None or (contract.required and contract.default is None)
            if is_needed and name.lower() not in present:
                raise UsageError(
                    f"feeds.{self._feed}: no column {name!r} in {self._source.place}; it has {', '.join(names)}"
                )
        read = {name.lower() for name in wanted}
        return [name for name in names if name.lower() in read]

    def write_days(self, columns: Sequence[str], since: datetime, until: datetime, folder: Path) -> int:
        """Write the rows changed from `since` to `until` as `<day>.<n>.parquet`; returns how many there are."""
        statement = sql.SQL(
            "select {updated}::timestamptz::date::text, {columns} from {table} as read "
            "where {updated} >= %(since)s and {updated} <= %(until)s order by {updated}"
        ).format(
            # A bare name after `order by` would mean the column of text that the select makes of it.
            updated=sql.Identifier("read", str(self._source.updated_at)),
            columns=sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("read", name)) for name in columns),
            table=self._table,
        )
        with self._connection.cursor(name="nightshift") as cursor, _DayFiles(folder, columns) as files:
            cursor.execute(statement, {"since": since, "until": until})
            count = 0
            for rows in iter(partial(cursor.fetchmany, _ROWS), []):
                count += len(rows)
                for day, of_day in groupby(rows, itemgetter(0)):
                    files.write(day, list(of_day))
            return count


class _DayFiles:
    """Writes rows that come in order of time, one Parquet file open at a time."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._folder = folder
        self._schema = pa.schema([(name, pa.string()) for name in columns])
        self._day, self._number = "", 0
        self._writer: Any = None

    def __enter__(self) -> _DayFiles:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer:
            self._writer.close()

    def write(self, day: str, rows: Sequence[Sequence[str | None]]) -> None:
        if day != self._day:
            self.__exit__()
            # A zone's clock may fall back over midnight: a day can come twice.
            self._day, self._number = day, self._number + 1
            self._writer = pq.ParquetWriter(self._folder / f"{day}.{self._number}.parquet", self._schema)
        columns = list(zip(*rows, strict=True))[1:]
        arrays = [pa.array(values, pa.string()) for values in columns]
        self._writer.write_table(pa.table(arrays, schema=self._schema))


@contextmanager
def open_snapshot(settings: Settings, feed: str, source: Source, store: Store) -> Iterator[Snapshot]:
    """Connect and begin the transaction; what goes wrong until it ends becomes one line without any secret."""
    with _explained(feed, source), _connect(settings, feed, source) as connection:
        yield Snapshot(connection, feed, source, store)


def day_start(day: date, store: Store) -> datetime:
    """The instant at which a business day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=store.zone).astimezone(UTC)


def last_whole_day(read_at: datetime, settings: Settings, store: Store) -> date:
    """The newest business day of which nothing more is to come, as of an instant of the server's clock."""
    settled = read_at - timedelta(minutes=settings.sql_overlap_minutes)
    return settled.astimezone(store.zone).date() - timedelta(days=1)


def whole_days(settings: Settings, feed: str, source: Source, store: Store) -> Iterator[date]:
    """The business days that a table has whole: from its first row's on, days without rows among them."""
    with open_snapshot(settings, feed, source, store) as snapshot:
        survey = snapshot.survey()
    last = last_whole_day(survey.read_at, settings, store)
    first = survey.oldest.astimezone(store.zone).date() if survey.oldest else last
    return (date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1))


def _connect(settings: Settings, feed: str, source: Source) -> psycopg.Connection[Any]:
    connection = connect(settings, str(source.connection), f"feeds.{feed}", f"feeds.{feed}.connection")
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


@contextmanager
def _explained(feed: str, source: Source) -> Iterator[None]:
    where = f"feeds.{feed}: {source.place}"
    try:
        yield
    except psycopg.Error as error:
        told = error.diag.message_primary or "the connection broke; ingest again"
        raise fault_of(error)(f"{where}: {' '.join(told.split())}") from None
    except UnicodeDecodeError:
        raise NightshiftError(f"{where}: holds text that is no UTF-8; mend it in the database") from None
    except OSError as error:
        raise NightshiftError(f"{where}: cannot be written into the spool: {error.strerror}") from None
