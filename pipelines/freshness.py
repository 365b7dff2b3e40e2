"""How fresh the feeds and the published tables are, as the ledger and `meta` tell it; a part of `nightshift status`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import duckdb
from rich.console import Console
from rich.table import Table

from pipelines import ledger, published
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.sources import Sources

_WIDTH = 120
_TABLES_A_LINE = 3
_ROWS_IN = "rows in "


def feed_lines(sources: Sources, loaded: Mapping[str, Sequence[ledger.Partition]]) -> str:
    """A table of the store's feeds: how many days, up to which, how long ago, how far behind, how many rows.

    Behind are the business days that are over in the store's timezone and lie after the newest loaded one; bulk history
    is never behind.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("feed", "days", "first", "last", "loaded at (UTC)"):
        table.add_column(name, no_wrap=True)
    for name in ("hours ago", "days behind", "rows", "duplicate", "quarantined"):
        table.add_column(name, justify="right", no_wrap=True)
    now = datetime.now(UTC)
    for feed, source in sources.feeds.items():
        table.add_row(feed, *_feed_cells(loaded[feed], now, None if source.is_bulk else sources.store.timezone))
    return _render(table)


def _feed_cells(parts: Sequence[ledger.Partition], now: datetime, timezone: str | None) -> Iterator[str]:
    """The cells of one feed; `timezone` decides which days are over, None where that says nothing."""
    if not parts:
        yield from ("0", "-", "-", "never", "-", "-", "0", "0", "0")
        return
    loaded_at = max(datetime.fromisoformat(part.loaded_at) for part in parts)
    yield from (f"{len(parts):,}", str(parts[0].ds), str(parts[-1].ds), f"{loaded_at:%Y-%m-%d %H:%M}")
    yield f"{(now - loaded_at) / timedelta(hours=1):,.1f}"
    if timezone is None:
        yield "-"
    else:
        behind = (now.astimezone(ZoneInfo(timezone)).date() - parts[-1].ds).days - 1
        yield f"{max(0, behind):,}" + (" (day not over)" if parts[-1].is_running else "")
    for name in ("rows_loaded", "rows_duplicate", "rows_quarantined"):
        yield f"{sum(getattr(part, name) for part in parts):,}"


def published_lines(home: Home, settings: Settings) -> str:
    """What `published/warehouse.duckdb` says of itself, with the rows of each table; all of them are of its `as_of`."""
    path = published.newest(home)
    if not path.exists():
        return "published: nothing yet; run: nightshift publish"
    try:
        with published.opened(path, settings) as connection:
            facts = published.facts(connection)
    except duckdb.Error as error:
        return f"published: {path} cannot be read ({str(error).splitlines()[0]}); run: nightshift publish"
    age = (datetime.now(UTC) - datetime.fromisoformat(facts["built_at"])) / timedelta(hours=1)
    customers = "" if facts.get("customers") != published.CUSTOMERS_LEFT_OUT else ", without customers"
    kept = ", ".join(map(str, published.days(home)))
    head = f"published as of {facts['as_of']}, {facts['completeness']}, {age:,.1f} hours ago{customers}; kept: {kept}"
    return f"{head}\n{_render(_row_table(facts))}"


def _row_table(facts: Mapping[str, str]) -> Table:
    rows = [
        (name.removeprefix(_ROWS_IN), f"{int(facts[name]):,}") for name in sorted(facts) if name.startswith(_ROWS_IN)
    ]
    height = -(-len(rows) // _TABLES_A_LINE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for _ in range(_TABLES_A_LINE):
        table.add_column("published table", no_wrap=True)
        table.add_column("rows", justify="right", no_wrap=True)
    for line in range(height):
        cells = [cell for row in rows[line::height] for cell in row]
        table.add_row(*cells)
    return table


def _render(table: Table) -> str:
    text = StringIO()
    Console(file=text, width=_WIDTH).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())
