"""The table `applied_nights` of a database: which nights were applied, and which of them a table holds now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from pipelines.export_night import Night
from pipelines.sinks.postgres_schema import LEDGER, table_name


@dataclass(frozen=True)
class Applied:
    """`status` is applied, unchanged, or behind: the database holds a newer night; rows that were touched."""

    status: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0


class AppliedLedger:
    """The ledger's rows of one night's table, within the transaction of a connection."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str, night: Night) -> None:
        self._connection, self._night = connection, night
        self._ledger, self._name = sql.Identifier(schema, LEDGER), table_name(night.contract)

    def held(self) -> tuple[date, str] | None:
        """Day and SHA-256 of the night that the table holds."""
        query = sql.SQL("select as_of, content_sha256 from {} where table_name = %s order by sequence desc limit 1")
        row = self._connection.execute(query.format(self._ledger), (self._name,)).fetchone()
        return (row[0], row[1]) if row else None

    def record(self, applied: Applied) -> None:
        """The night is the newest, also when it was applied before another one."""
        manifest = self._night.manifest
        key = {"table_name": self._name, "as_of": self._night.as_of, "content_sha256": self._night.sha256}
        facts = {
            "run_id": manifest["run_id"],
            "completeness": manifest["completeness"],
            "valid_until": self._night.valid_until,
            "row_count": manifest["row_count"],
            "inserted": applied.inserted,
            "updated": applied.updated,
            "deleted": applied.deleted,
        }
        values = {**key, **facts}
        statement = sql.SQL(
            "insert into {} ({}) values ({}) "
            "on conflict ({}) do update set sequence = default, applied_at = default, {}"
        ).format(
            self._ledger,
            names_sql(list(values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
            names_sql(list(key)),
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in facts),
        )
        self._connection.execute(statement, values)

    def tell_again(self) -> None:
        """The same rows may have become complete."""
        statement = sql.SQL(
            "update {} set completeness = %(completeness)s, valid_until = %(valid_until)s where table_name = %(table)s "
            "and as_of = %(as_of)s and content_sha256 = %(sha256)s "
            "and (completeness, valid_until) is distinct from (%(completeness)s::text, %(valid_until)s::timestamptz)"
        ).format(self._ledger)
        values = {
            "completeness": self._night.manifest["completeness"],
            "valid_until": self._night.valid_until,
            "table": self._name,
            "as_of": self._night.as_of,
            "sha256": self._night.sha256,
        }
        self._connection.execute(statement, values)


def all_applied(connection: psycopg.Connection[Any], schema: str) -> dict[tuple[str, int, date, str], bool]:
    """The nights by table, version, day and SHA-256 of the rows; true where a table holds it now."""
    ledger = sql.Identifier(schema, LEDGER)
    is_there = connection.execute("select to_regclass(%s) is not null", (ledger.as_string(),)).fetchall()[0][0]
    if not is_there:
        return {}
    query = sql.SQL(
        "select table_name, as_of, content_sha256, sequence = max(sequence) over (partition by table_name) from {}"
    )
    rows = connection.execute(query.format(ledger)).fetchall()
    split = ((*row[0].rpartition("_v")[::2], *row[1:]) for row in rows)
    return {(table, int(version), as_of, sha256): is_newest for table, version, as_of, sha256, is_newest in split}


def names_sql(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
