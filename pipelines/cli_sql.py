"""`nightshift sql`: ask what is published, once or at a prompt."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import click

from pipelines.cli_options import Day, home_options
from pipelines.errors import NightshiftError, visible
from pipelines.home import Home
from pipelines.settings import Settings

if TYPE_CHECKING:
    import duckdb

_HELP = """\
.tables          the tables with their rows and what one row is
.schema TABLE    the columns of a table with their types and meaning
.quit            leave; so do quit, exit and Ctrl-D
Anything else is SQL, on as many lines as it takes, and ends with a semicolon."""
_LEAVING = (".quit", "quit", "exit")


@click.command()
@click.argument("query", required=False)
@click.option("--as-of", type=Day(), help="The published day to ask [default: the newest].")
@click.option("--csv", "form", flag_value="csv", help="CSV, for a pipe or a spreadsheet.")
@click.option("--json", "form", flag_value="json", help="An array of JSON objects, a row a line.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="Rows shown at most [default: 40 of a table, all of --csv and --json]."
)
@home_options
def sql(settings: Settings, query: str | None, as_of: date | None, form: str | None, limit: int | None) -> None:
    """Query what is published, read-only; without a QUERY at a prompt, or from standard input.

    \b
    nightshift sql "select sold_on, sum(units) from marts.mart_sales_daily group by 1 order by 1 desc"
    nightshift sql --as-of 2026-06-24 --csv "from exports.exp_demand_forecast" > forecast.csv
    """
    from pipelines import published

    path = published.find(Home.open(settings.home), as_of)
    with published.opened(path, settings) as connection:
        if query is None and sys.stdin.isatty():
            facts = published.facts(connection)
            click.echo(f"published as of {facts['as_of']}, {facts['completeness']}, built at {facts['built_at']}")
            click.echo("end SQL with a semicolon; .help says what else there is")
            _prompt(connection, form or "table", limit)
        else:
            _answer(connection, query if query is not None else sys.stdin.read(), form or "table", limit)


def _answer(connection: duckdb.DuckDBPyConnection, text: str, form: str, limit: int | None) -> None:
    from pipelines import queries

    for statement in queries.statements(connection, text):
        _echo(queries.run(connection, statement, form, limit))


def _echo(lines: Iterable[str]) -> None:
    try:
        for line in lines:
            click.echo(line)
    except BrokenPipeError:
        # The reader, such as head, has enough; what Python flushes at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prompt(connection: duckdb.DuckDBPyConnection, form: str, limit: int | None) -> None:
    import readline

    # The arrow keys bring back what was typed since the prompt was opened; no file keeps it.
    readline.set_auto_history(True)
    while (text := _typed(connection)).rstrip(";").lower() not in _LEAVING:
        try:
            if text.startswith("."):
                _command(connection, text)
            else:
                _answer(connection, text, form, limit)
        except NightshiftError as error:
            click.echo(str(error), err=True)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)


def _typed(connection: duckdb.DuckDBPyConnection) -> str:
    """A command, or the lines of SQL up to their semicolon; `.quit` at the end of the input."""
    from pipelines.queries import is_unfinished

    lines: list[str] = []
    while True:
        try:
            lines.append(input("      ...> " if lines else "nightshift> "))
        except EOFError:
            click.echo()
            return ".quit"
        except KeyboardInterrupt:
            click.echo()
            lines = []
            continue
        text = "\n".join(lines).strip()
        if text.startswith(".") or text.rstrip(";").lower() in _LEAVING or not is_unfinished(connection, text):
            return text
        if not text:
            lines = []


def _command(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    from pipelines import queries

    name, _, table = text.partition(" ")
    table = table.strip().rstrip(";")
    if name == ".tables":
        _echo(queries.tables(connection))
    elif name == ".schema" and table:
        _echo(queries.columns(connection, table))
    else:
        click.echo(_HELP if name == ".help" else f"no such command: {visible(text)}; .help says what there is")
