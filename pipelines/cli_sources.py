"""`nightshift sources`: a mapping drafted from real files, and tried before the first night."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pipelines.cli_options import home_options
from pipelines.errors import UsageError, visible
from pipelines.feeds import FEEDS, Column
from pipelines.settings import Settings
from pipelines.source_check import FeedCheck, Refusal, check_sources
from pipelines.source_scaffold import draft_sources

_VALUE_WIDTH = 26
_HASH_DIGITS = 8


@click.group()
def sources() -> None:
    """Map a store's files: draft a sources.yml from them, and check it before anything is loaded."""


@sources.command()
@click.argument("feeds", nargs=-1, type=click.Choice(tuple(FEEDS)), metavar="[FEED]...")
@click.option(
    "--rows", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help="Rows to read of each feed."
)
@home_options
def check(settings: Settings, feeds: tuple[str, ...], rows: int) -> None:
    """Read the first rows of each feed's newest delivery as ingest would; nothing is loaded.

    Shows the typed rows, and what would be refused and why. Exit status 1 when a feed cannot be read or too many
    of its rows would be refused, 2 when the mapping itself is wrong.
    """
    report = check_sources(settings, feeds, rows)
    for feed in report.feeds:
        for line in check_lines(feed):
            click.echo(visible(line))
    for problem in report.mapping:
        click.echo(visible(f"nightshift: {problem}"), err=True)
    sys.exit(report.exit_status)


@sources.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE..."
)
@click.option("--output", type=click.Path(path_type=Path), help="Write here instead; a file that is there is kept.")
@home_options
def scaffold(settings: Settings, files: tuple[Path, ...], output: Path | None) -> None:
    """Draft a sources.yml from a store's files: format, dialect, feed and columns of each.

    Give one file of each kind, best from the landing folder. What could not be told stands in the draft as a TODO.
    """
    draft = draft_sources(files, settings.landing_folder)
    for note in draft.notes:
        click.echo(visible(note), err=True)
    if output is None:
        click.echo(draft.text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(draft.text)
    except FileExistsError:
        raise UsageError(f"{output} is there already; move it away or name another --output") from None
    click.echo(f"drafted {', '.join(draft.feeds)} in {output}; try it with: nightshift sources check")


def check_lines(check: FeedCheck) -> Iterator[str]:
    if check.problem:
        yield f"{check.feed}: cannot be read"
        yield f"  {check.problem}"
        return
    if not check.delivery:
        yield f"{check.feed}: not tried; {', '.join(check.notes)}"
        return
    verdict = "too many rows would be refused" if check.is_over_limit else "ok"
    yield (
        f"{check.feed}: {verdict}; {check.delivery}, first rows in {check.rows_in:,} = loaded {check.rows_loaded:,} "
        f"+ duplicate {check.rows_duplicate:,} + quarantined {check.rows_quarantined:,}"
        + (f"; left out by `where` {check.rows_excluded:,}" if check.rows_excluded else "")
    )
    yield from (f"  {note}" for note in check.notes)
    yield from _table(check)
    yield from (f"  refused: {_refused(refusal)}" for refusal in check.refusals)


def _refused(refusal: Refusal) -> str:
    place = f"{refusal.file} line {refusal.line:,}" if refusal.line else refusal.file
    return f"{refusal.rows:,} rows, {refusal.reason} {refusal.column or ''}".rstrip() + f", such as {place}"


def _table(check: FeedCheck) -> Iterator[str]:
    """A line each contract column: a feed has more columns than a terminal is wide."""
    if not check.first_rows:
        return
    columns = FEEDS[check.feed].columns
    cells = [
        [column.name, column.type, *(_shown(column, row[column.name]) for row in check.first_rows)]
        for column in columns
    ]
    widths = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    for line in cells:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _shown(column: Column, value: Any) -> str:
    if value is None:
        return "null"
    text = f"{value[:_HASH_DIGITS]}... (hashed)" if column.is_personal else visible(str(value))
    return text if len(text) <= _VALUE_WIDTH else text[: _VALUE_WIDTH - 3] + "..."
