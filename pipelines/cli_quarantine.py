"""`nightshift quarantine`: look at refused rows, and load their days again once they are mended."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import wraps
from typing import Any

import click

from pipelines import quarantine as refused
from pipelines.cli_options import Day, home_options, log
from pipelines.contract_sql import REMEDIES, Reason
from pipelines.errors import NightshiftError, visible
from pipelines.feeds import FEEDS
from pipelines.home import COMMAND_OWNER, Home
from pipelines.ledger import Partition
from pipelines.quarantine import Filters, Group, RefusedRow
from pipelines.quarantine_retry import FeedRetry
from pipelines.quarantine_retry import retry as retry_days
from pipelines.settings import Settings


@click.group()
def quarantine() -> None:
    """Refused rows: list them, show them, and load their days again once file or mapping is mended."""


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--feed`, `--from`, `--to` and `--reason`, turned into `filters`."""

    @click.option("--feed", "feeds", multiple=True, type=click.Choice(tuple(FEEDS)), help="Only this feed; repeatable.")
    @click.option("--from", "first", type=Day(), help="First business day [default: the first].")
    @click.option("--to", "last", type=Day(), help="Last business day [default: the last].")
    @click.option(
        "--reason",
        "reasons",
        multiple=True,
        type=click.Choice([str(reason) for reason in Reason]),
        help="Only this reason; repeatable.",
    )
    @wraps(command)
    def with_filters(
        feeds: tuple[str, ...], first: date | None, last: date | None, reasons: tuple[str, ...], **rest: Any
    ) -> None:
        command(filters=Filters(feeds, first, last, reasons), **rest)

    return with_filters


@quarantine.command(name="list")
@filter_options
@home_options
def list_groups(settings: Settings, filters: Filters) -> None:
    """Count the quarantined rows by feed, day, reason and column."""
    home = Home.open(settings.home)
    groups = refused.groups(settings, refused.quarantined_files(home, filters), filters)
    if not groups:
        click.echo(_nothing(filters))
        return
    header = ("feed", "day", "reason", "column", "rows", "first file", "line")
    for line in _aligned([header, *map(_cells, groups)]):
        click.echo(line)
    days = {(group.feed, group.ds) for group in groups}
    feeds = {group.feed for group in groups}
    rows = sum(group.rows for group in groups)
    click.echo(f"total: rows {rows:,}, feeds {len(feeds)}, days of a feed {len(days):,}; {_by_reason(groups)}")
    click.echo("the rows themselves: nightshift quarantine show; after mending: nightshift quarantine retry")


@quarantine.command()
@filter_options
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Rows shown at most.")
@click.option("--failed", "is_failed", is_flag=True, help="The sample that a load over the limit left behind.")
@home_options
def show(settings: Settings, filters: Filters, limit: int, is_failed: bool) -> None:
    """Show refused rows with their masked text, and what to do about each reason."""
    home = Home.open(settings.home)
    paths = refused.sample_files(home, filters) if is_failed else refused.quarantined_files(home, filters)
    groups = refused.groups(settings, paths, filters)
    if not groups:
        click.echo("no load failed over its refused rows" if is_failed else _nothing(filters))
        return
    if is_failed:
        for feed, ds, rows, kept in refused.failed_loads(settings, paths, filters):
            click.echo(f"{feed} {ds}: {rows:,} rows refused, over the limit, so the day was not loaded; {kept:,} kept")
    for row in refused.refused_rows(settings, paths, filters, limit):
        click.echo(_place(row))
        click.echo(f"    {_text(row)}")
    if (more := sum(group.rows for group in groups) - limit) > 0:
        click.echo(f"and {more:,} more (--limit)")
    click.echo("what to do:")
    for reason in Reason:
        if any(group.reason == reason for group in groups):
            click.echo(f"  {reason}: {REMEDIES[reason]}")


@quarantine.command()
@filter_options
@home_options
def retry(settings: Settings, filters: Filters) -> None:
    """Load again the days with quarantined rows, from the files and the mapping as they are now."""
    retries = retry_days(settings, filters, f"{COMMAND_OWNER} {os.getpid()}", log)
    if not retries:
        click.echo(_nothing(filters))
        return
    for feed in retries:
        for line in _outcome(feed):
            click.echo(visible(line))
    changes = [change for feed in retries for change in feed.changed.values()]
    click.echo(f"total: days loaded again {len(changes):,}, {_before_after(changes)}")
    left, failed = sum(len(feed.left) for feed in retries), [feed.feed for feed in retries if feed.error]
    problems = [f"days left as they are: {left:,}"] if left else []
    problems += [f"failed: {', '.join(failed)}"] if failed else []
    if problems:
        raise NightshiftError(f"{'; '.join(problems)} (see above)")


def _nothing(filters: Filters) -> str:
    return "nothing is quarantined" + ("" if filters == Filters() else " of what was asked for")


def _cells(group: Group) -> tuple[str, ...]:
    line = "-" if group.first_line is None else str(group.first_line)
    column = group.column or "-"
    return group.feed, str(group.ds), group.reason, column, f"{group.rows:,}", visible(group.first_file), line


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _by_reason(groups: Iterable[Group]) -> str:
    counts: Counter[str] = Counter()
    for group in groups:
        counts[group.reason] += group.rows
    return ", ".join(f"{reason} {rows:,}" for reason, rows in counts.most_common())


def _place(row: RefusedRow) -> str:
    line = "" if row.line is None else f" line {row.line}"
    return f"{row.feed} {row.ds} {visible(row.file)}{line}: {' '.join(filter(None, (row.reason, row.column)))}"


def _text(row: RefusedRow) -> str:
    more = f" ... ({row.length:,} characters)" if row.length > len(row.text) else ""
    return visible(row.text) + more


def _outcome(retry: FeedRetry) -> list[str]:
    """What became of a feed's days, a line each; bulk history and days that nobody mended in one."""
    if retry.is_bulk and retry.changed:
        days = f"bulk history, retried as a whole, {len(retry.changed):,} days"
        lines = [f"{retry.feed}: {days}, {_before_after(list(retry.changed.values()))}"]
    else:
        lines = [f"{retry.feed} {ds}: {_before_after([change])}" for ds, change in retry.changed.items()]
    same = [ds for ds in retry.tried if ds not in retry.changed]
    if same and not retry.error:
        lines.append(
            f"{retry.feed}: days unchanged {len(same):,}, since neither their files nor the mapping were mended"
        )
    lines += [f"{retry.feed} {ds}: left as it is, {why}" for ds, why in retry.left.items()]
    return lines + ([f"{retry.feed}: failed, {retry.error}"] if retry.error else [])


def _before_after(changes: Sequence[tuple[Partition | None, Partition | None]]) -> str:
    before = [before for before, _ in changes if before]
    after = [after for _, after in changes if after]

    def rows(name: str) -> str:
        old, new = (sum(getattr(part, name) for part in parts) for parts in (before, after))
        return f"{old:,} -> {new:,}"

    return f"quarantined {rows('rows_quarantined')}, loaded {rows('rows_loaded')}"
