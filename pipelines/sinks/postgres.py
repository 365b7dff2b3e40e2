"""Exports into tables of a PostgreSQL database: a night is one transaction, so readers see last night or tonight.

A table holds what its newest night said, a row a key without `as_of`. A row that did not change is not touched: it
keeps the `as_of`, the lineage and whatever else is not compared of the night that changed it last. `applied_nights`
says what was applied: the newest row of a table names the night and the SHA-256 of the rows it holds, so that a night
that is there already is not applied again. Where the database holds the night that tonight's delta is against, only
changed rows travel; else the whole night does, and the database finds what differs. Runs at once wait for one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from typing import Any

import duckdb
import psycopg
from psycopg import errors, sql

from pipelines.delivered_sql import identifier
from pipelines.export_files import parquet, reading
from pipelines.export_night import Night
from pipelines.home import Home
from pipelines.postgres_connection import connect, fault_of
from pipelines.settings import Settings
from pipelines.sinks.applied_ledger import Applied, AppliedLedger, all_applied, names_sql
from pipelines.sinks.copied_rows import csv_chunks
from pipelines.sinks.postgres_schema import table_name
from pipelines.sinks.postgres_tables import ensure

_ATTEMPTS = 3
_STAGED, _GONE = sql.Identifier("pg_temp", "nightshift_staged"), sql.Identifier("pg_temp", "nightshift_gone")


def apply(home: Home, settings: Settings, night: Night, is_going_back: bool = False) -> Applied:
    """Make the table hold a night; an earlier one than it holds only when `is_going_back`.

    Raises `NightshiftError` in one line when the server refuses; the table is then as it was.
    """
    night.refuse_damaged()
    name = str(settings.export_connection)
    where = f"export {night.table} as of {night.as_of}"
    # Closed without another commit: what was not committed below is no night.
    with closing(connect(settings, name, where, "setting NIGHTSHIFT_EXPORT_CONNECTION")) as connection:
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        with _explained(where, name), reading(home, settings) as files:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    applied = _Application(connection, settings, night, files).run(is_going_back)
                    connection.commit()
                except (errors.SerializationFailure, errors.DeadlockDetected):
                    connection.rollback()
                    if attempt == _ATTEMPTS:
                        raise
                else:
                    break
    return applied


def applied(settings: Settings) -> dict[tuple[str, int, date, str], bool]:
    """The nights that the database was given; see `all_applied`."""
    name, where = str(settings.export_connection), "exports"
    connection = connect(settings, name, where, "setting NIGHTSHIFT_EXPORT_CONNECTION")
    with closing(connection), _explained(where, name):
        return all_applied(connection, settings.export_schema)


class _Application:
    """The statements of one transaction."""

    def __init__(
        self, connection: psycopg.Connection[Any], settings: Settings, night: Night, files: duckdb.DuckDBPyConnection
    ) -> None:
        self._connection, self._settings, self._night, self._files = connection, settings, night, files
        self._schema = settings.export_schema
        self._name = table_name(night.contract)
        self._table = sql.Identifier(self._schema, self._name)
        self._ledger = AppliedLedger(connection, self._schema, night)
        self._keys = night.contract.row_key

    def run(self, is_going_back: bool) -> Applied:
        patience = str(round(self._settings.lock_wait_seconds * 1000))
        self._connection.execute("select set_config('lock_timeout', %s, true)", (patience,))
        self._connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"nightshift.{self._schema}",)
        )
        ensure(self._connection, self._schema, self._night.contract)
        held = self._ledger.held()
        if held == (self._night.as_of, self._night.sha256) and not is_going_back:
            self._ledger.tell_again()
            return Applied("unchanged")
        if held and held[0] > self._night.as_of and not is_going_back:
            return Applied("behind")
        applied = self._bring(held)
        self._ledger.record(applied)
        return applied

    def _bring(self, held: tuple[date, str] | None) -> Applied:
        is_filled = self._connection.execute(sql.SQL("select exists (select from {})").format(self._table))
        if not is_filled.fetchall()[0][0]:
            return Applied("applied", inserted=self._copy(self._night_rows(), self._table, self._night.column_names))
        delta = self._night.manifest["delta"]
        is_next = held is not None and (str(held[0]), held[1]) == (delta["against"], delta["against_sha256"])
        self._stage(_STAGED, self._night.column_names)
        self._copy(self._changed_rows() if is_next else self._night_rows(), _STAGED, self._night.column_names)
        self._connection.execute(sql.SQL("analyze {}").format(_STAGED))
        deleted = self._delete_told() if is_next else self._delete_absent()
        return Applied("applied", updated=self._update(), inserted=self._insert(), deleted=deleted)

    def _stage(self, stage: sql.Identifier, columns: Sequence[str]) -> None:
        statement = sql.SQL("create temporary table {} on commit drop as select {} from {} limit 0")
        self._connection.execute(statement.format(stage, names_sql(columns), self._table))

    def _copy(self, select: str, table: sql.Identifier, columns: Sequence[str]) -> int:
        """Stream what DuckDB selects into a table; returns the rows."""
        statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(table, names_sql(columns))
        with self._connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for chunk in csv_chunks(self._files, select):
                    copy.write(chunk)
            return cursor.rowcount

    def _night_rows(self) -> str:
        return f"select {', '.join(map(identifier, self._night.column_names))} from {parquet(self._night.rows)}"

    def _changed_rows(self) -> str:
        keys = ", ".join(map(identifier, self._keys))
        changed = f"select {keys} from {parquet(str(self._night.delta_file))} where change <> 'deleted'"
        return f"{self._night_rows()} as r semi join ({changed}) as c using ({keys})"

    def _delete_told(self) -> int:
        self._stage(_GONE, self._keys)
        keys = ", ".join(map(identifier, self._keys))
        gone = f"select {keys} from {parquet(str(self._night.delta_file))} where change = 'deleted'"
        self._copy(gone, _GONE, self._keys)
        statement = sql.SQL("delete from {} as t using {} as s where {}")
        return self._connection.execute(statement.format(self._table, _GONE, self._same_key())).rowcount

    def _delete_absent(self) -> int:
        statement = sql.SQL("delete from {} as t where not exists (select from {} as s where {})")
        return self._connection.execute(statement.format(self._table, _STAGED, self._same_key())).rowcount

    def _update(self) -> int:
        """Rows that are there and differ in a compared column; a column that the night lacks is null in it."""
        known = self._night.column_names
        compared = [name for name in self._night.compared if name in known]
        absent = [name for name in self._night.contract.names if name not in known]
        differs = [sql.SQL("t.{0} is distinct from s.{0}").format(sql.Identifier(name)) for name in compared]
        differs += [sql.SQL("t.{} is not null").format(sql.Identifier(name)) for name in absent]
        if not differs:
            return 0
        sets = [sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in known if name not in self._keys]
        sets += [sql.SQL("{} = null").format(sql.Identifier(name)) for name in absent]
        statement = sql.SQL("update {} as t set {} from {} as s where {} and ({})").format(
            self._table, sql.SQL(", ").join(sets), _STAGED, self._same_key(), sql.SQL(" or ").join(differs)
        )
        return self._connection.execute(statement).rowcount

    def _insert(self) -> int:
        names = names_sql(self._night.column_names)
        statement = sql.SQL(
            "insert into {} ({}) select {} from {} as s where not exists (select from {} as t where {})"
        ).format(self._table, names, names, _STAGED, self._table, self._same_key())
        return self._connection.execute(statement).rowcount

    def _same_key(self) -> sql.Composed:
        pairs = (sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in self._keys)
        return sql.SQL(" and ").join(pairs)


@contextmanager
def _explained(where: str, name: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        told = error.diag.message_primary or "the connection broke; export again"
        raise fault_of(error)(f"{where}: connection {name}: {' '.join(told.split())}") from None
