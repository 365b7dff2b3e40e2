"""The tables that a night is applied to: made where they are absent, else held against the contract."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from pipelines.errors import NightshiftError
from pipelines.export_contract import Contract
from pipelines.sinks.postgres_schema import LEDGER, column_ddl, comments, ledger_ddl, table_ddl, table_name


def ensure(connection: psycopg.Connection[Any], schema: str, contract: Contract) -> None:
    """Make what is absent and add nullable columns that came last; raise `NightshiftError` for a table that is another.

    What is there needs no privilege to make it.
    """
    if not _exists(connection, "select to_regnamespace(%s)", sql.Identifier(schema)):
        _run(connection, [f"create schema {sql.Identifier(schema).as_string()}"])
    if not _exists(connection, "select to_regclass(%s)", sql.Identifier(schema, LEDGER)):
        _run(connection, [ledger_ddl(schema)])
    if not _exists(connection, "select to_regclass(%s)", sql.Identifier(schema, table_name(contract))):
        _run(connection, [table_ddl(contract, schema), *comments(contract, schema)])
    _hold_against(connection, schema, contract)


def _hold_against(connection: psycopg.Connection[Any], schema: str, contract: Contract) -> None:
    table = sql.Identifier(schema, table_name(contract))
    rows = connection.execute(
        "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute "
        "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
        (table.as_string(),),
    ).fetchall()
    there = {name: f"{kind}{' not null' if is_required else ''}" for name, kind, is_required in rows}
    for column in contract.columns:
        wanted = column_ddl(column)
        kind = wanted.removeprefix(sql.Identifier(column.name).as_string()).strip()
        if column.name not in there and column.is_nullable:
            _run(connection, [f"alter table {table.as_string()} add column {wanted}"])
        elif there.get(column.name) != kind:
            raise NightshiftError(
                f"table {schema}.{table_name(contract)}: column {column.name} is {there.get(column.name, 'missing')}, "
                f"the contract says {kind}; another made this table: rename it, or set NIGHTSHIFT_EXPORT_SCHEMA"
            )


def _exists(connection: psycopg.Connection[Any], query: str, name: sql.Identifier) -> bool:
    return connection.execute(query.encode(), (name.as_string(),)).fetchall()[0][0] is not None


def _run(connection: psycopg.Connection[Any], statements: list[str]) -> None:
    """Statements whose every name is quoted and whose every text is ours."""
    for statement in statements:
        connection.execute(statement.encode())
