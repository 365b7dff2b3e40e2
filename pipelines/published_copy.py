"""The file that analysts read, made from a warehouse: its marts, features and exports, and a table `meta`.

A whole file is copied as bytes, and what is not published is dropped from the copy: that took a tenth of the CPU of
writing the rows anew. Where rows are left out the others are written anew, since the free blocks of a database file
keep what was deleted.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from pipelines.audience import LeftOut, Table
from pipelines.delivered_sql import identifier, literal

SCHEMAS = ("marts", "features", "exports")


def make(warehouse: Path, target: Path, hidden: LeftOut, facts: Mapping[str, str]) -> dict[Table, int]:
    """Write `target`, whatever stood there, to which no rows can be added; returns the number of rows by table."""
    for path in (target, _log_of(target)):
        path.unlink(missing_ok=True)
    if hidden.is_empty:
        _copy_files(warehouse, target)
    else:
        with duckdb.connect(str(target)) as connection:
            _write_anew(connection, warehouse, hidden)
    with duckdb.connect(str(target)) as connection:
        _drop_the_rest(connection)
        counts = {table: _count(connection, table) for table in _tables(connection)}
        _write_meta(connection, facts, counts)
        connection.execute("checkpoint")
    target.chmod(0o400)
    return counts


def _log_of(database: Path) -> Path:
    """Where DuckDB writes ahead; a process that was killed leaves it, with what the file does not hold yet."""
    return database.with_name(f"{database.name}.wal")


def _copy_files(warehouse: Path, target: Path) -> None:
    if _log_of(warehouse).exists():
        shutil.copyfile(_log_of(warehouse), _log_of(target))
    shutil.copyfile(warehouse, target)


def _write_anew(connection: duckdb.DuckDBPyConnection, warehouse: Path, hidden: LeftOut) -> None:
    connection.execute(f"attach {literal(str(warehouse))} as built (read_only)")
    for table in _tables(connection, "built"):
        if table not in hidden.tables:
            _copy_table(connection, table, hidden.columns.get(table, ()))
    connection.execute("detach built")


def _drop_the_rest(connection: duckdb.DuckDBPyConnection) -> None:
    views = connection.execute("select schema_name, view_name from duckdb_views() where not internal").fetchall()
    for view in views:
        connection.execute(f"drop view {_name(view)}")
    schemas = connection.execute(
        "select schema_name from duckdb_schemas() where not internal and database_name = current_database()"
    ).fetchall()
    for (schema,) in schemas:
        if schema not in SCHEMAS:
            connection.execute(f"drop schema {identifier(schema)} cascade")


def _tables(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> list[Table]:
    return connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = coalesce($1, current_database()) and schema_name in $2 order by all",
        [database, list(SCHEMAS)],
    ).fetchall()


def _copy_table(connection: duckdb.DuckDBPyConnection, table: Table, hidden: Sequence[str]) -> None:
    """Copy one table with its comments, without its `hidden` columns."""
    connection.execute(f"create schema if not exists {identifier(table[0])}")
    without = f" exclude ({', '.join(map(identifier, hidden))})" if hidden else ""
    connection.execute(f"create table {_name(table)} as select *{without} from built.{_name(table)}")
    comments = connection.execute(
        "select NULL, comment from duckdb_tables() where (database_name, schema_name, table_name) = ('built', $1, $2) "
        "union all select column_name, comment from duckdb_columns() "
        "where (database_name, schema_name, table_name) = ('built', $1, $2)",
        table,
    ).fetchall()
    for column, comment in comments:
        if comment and column not in hidden:
            target = f"column {_name(table)}.{identifier(column)}" if column else f"table {_name(table)}"
            connection.execute(f"comment on {target} is {literal(comment)}")


def _count(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    ((count,),) = connection.execute(f"select count(*) from {_name(table)}").fetchall()
    return int(count)


def _name(table: Table) -> str:
    return ".".join(map(identifier, table))


def _write_meta(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, str], counts: Mapping[Table, int]) -> None:
    rows = [{"name": name, "value": value} for name, value in facts.items()]
    rows += [{"name": f"rows in {'.'.join(table)}", "value": str(count)} for table, count in counts.items()]
    connection.execute("create table main.meta (name VARCHAR primary key, value VARCHAR)")
    connection.executemany("insert into main.meta values ($name, $value)", rows)
    connection.execute("comment on table main.meta is 'What this file is: its day, its build and how much it holds.'")
