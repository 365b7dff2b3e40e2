"""Queries of what is published, and their results as a table for a terminal, as CSV or as JSON."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout

import duckdb

from pipelines.delivered_sql import identifier
from pipelines.errors import UsageError, visible
from pipelines.spreadsheet import harmless

TERMINAL_ROWS = 40
_BATCH = 1_000
_PIPE_WIDTH = 120
_REAL_TYPES = ("FLOAT", "DOUBLE")
_ALL = 1_000
_TABLES = """
    select concat_ws('.', nullif(schema_name, 'main'), table_name) as "table", estimated_size as rows,
        replace(split_part(comment, chr(10), 1), 'One row is ', '') as "one row is"
    from duckdb_tables() where not temporary order by all"""
_COLUMNS = """
    select column_name as "column", data_type as type, comment as meaning from duckdb_columns()
    where not internal and lower($name) in (lower(table_name), lower(schema_name || '.' || table_name))
    order by schema_name, table_name, column_index"""


def statements(connection: duckdb.DuckDBPyConnection, text: str) -> list[duckdb.Statement]:
    """The statements of a text; raises a `UsageError` when it is no SQL."""
    try:
        return connection.extract_statements(text)
    except duckdb.Error as error:
        raise UsageError(one_line(error)) from None


def is_unfinished(connection: duckdb.DuckDBPyConnection, text: str) -> bool:
    """Whether more lines belong to what was typed: no semicolon ends it yet, or one inside a text does."""
    if not text.rstrip().endswith(";"):
        return True
    try:
        connection.extract_statements(text)
    except duckdb.Error as error:
        return "unterminated" in str(error)
    return False


def run(
    connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, form: str, limit: int | None
) -> Iterator[str]:
    """Run one statement; yields the lines of its result in a `form`: table, csv or json.

    `limit` bounds the rows; a table has 40 unless told otherwise. What DuckDB refuses is a `UsageError` of one line.
    """
    try:
        result = connection.sql(statement)
        if result is not None:
            yield from _FORMS[form](connection, result, limit)
    except duckdb.Error as error:
        raise UsageError(one_line(error)) from None


def tables(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """A table of the published tables, each with its rows and what one is."""
    return _table(connection, connection.sql(_TABLES), _ALL)


def columns(connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[str]:
    """A table of a table's columns; raises a `UsageError` when there is no such table."""
    found = connection.sql(_COLUMNS, params={"name": table})
    if not found.limit(1).fetchall():
        raise UsageError(f"there is no table {table}; .tables shows those there are")
    return _table(connection, found, _ALL)


def one_line(error: duckdb.Error) -> str:
    """What DuckDB says with its candidates, without the picture of the place."""
    said = str(error).partition("\n\nLINE ")[0]
    return visible(" ".join(part.strip() for part in said.splitlines() if part.strip()))


def _table(connection: duckdb.DuckDBPyConnection, result: duckdb.DuckDBPyRelation, limit: int | None) -> Iterator[str]:
    """DuckDB's own box, which fits the width and writes control characters out."""
    limit = limit or TERMINAL_ROWS
    rows = result.limit(limit + 1).to_arrow_table()
    text = io.StringIO()
    with redirect_stdout(text):
        connection.from_arrow(rows.slice(0, limit)).show(max_width=_width(), max_rows=limit)
    yield text.getvalue().rstrip()
    if rows.num_rows > limit:
        yield f"the first {limit:,} rows; there are more: --limit N, or --csv for all"


def _csv(connection: duckdb.DuckDBPyConnection, result: duckdb.DuckDBPyRelation, limit: int | None) -> Iterator[str]:
    """Values as DuckDB writes them; text that a spreadsheet would run as a formula begins with an apostrophe."""
    yield _csv_line([harmless(name) for name in result.columns])
    for row in _rows(_bounded(result, limit).project("columns(*)::VARCHAR")):
        yield _csv_line([None if cell is None else harmless(cell) for cell in row])


def _json(connection: duckdb.DuckDBPyConnection, result: duckdb.DuckDBPyRelation, limit: int | None) -> Iterator[str]:
    """An array of objects, a row a line; JSON has no infinity and no NaN, so those are null."""
    named = _bounded(result, limit).query("given", "select * from given")
    fields = [
        f"case when isfinite({identifier(name)}) then {identifier(name)} end as {identifier(name)}"
        if str(kind) in _REAL_TYPES
        else identifier(name)
        for name, kind in zip(named.columns, named.types, strict=True)
    ]
    objects = named.project(", ".join(fields)).query("result", "select to_json(result)::VARCHAR from result")
    opening = "["
    for (text,) in _rows(objects):
        yield f"{opening}{text}"
        opening = ","
    yield "]" if opening == "," else "[]"


_FORMS = {"table": _table, "csv": _csv, "json": _json}


def _bounded(result: duckdb.DuckDBPyRelation, limit: int | None) -> duckdb.DuckDBPyRelation:
    return result if limit is None else result.limit(limit)


def _rows(result: duckdb.DuckDBPyRelation) -> Iterator[tuple[str | None, ...]]:
    while batch := result.fetchmany(_BATCH):
        yield from batch


def _csv_line(cells: Sequence[str | None]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _width() -> int:
    return shutil.get_terminal_size((_PIPE_WIDTH, 0)).columns
