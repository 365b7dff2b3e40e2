"""What a night has to go on: which feeds are in, which are late, what it would do with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from pipelines import attempts, nights
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.night_exports import tables_of
from pipelines.night_step import able, missing_feeds
from pipelines.settings import Settings
from pipelines.sources import load_sources

Log = Callable[[str], None]


class NothingDeliveredError(NightshiftError):
    """No feed of the day has come: such a night would only repeat the one before."""


def late_feeds(settings: Settings, as_of: date, owner: str, log: Log = print) -> list[str]:
    """The daily feeds that a night has to do without.

    Raises `NothingDeliveredError` when none of them has come.
    """
    with attempts.attempt(Home.open(settings.home), "wait", as_of, owner, log):
        daily = [name for name, source in load_sources(settings.sources_file).feeds.items() if not source.is_bulk]
        late = missing_feeds(settings, as_of)
        if daily and late == daily:
            raise NothingDeliveredError(
                f"{as_of}: no feed was delivered ({', '.join(late)}); ingest them, then run the night again"
            )
        return late


def lines(settings: Settings, as_of: date, models: Sequence[str]) -> Iterator[str]:
    """What the night of a day would do as things are."""
    sources = load_sources(settings.sources_file)
    late = missing_feeds(settings, as_of)
    yield f"night of {as_of}, home {settings.home}"
    yield f"feeds: {', '.join(name for name in sources.feeds if name not in late) or 'none'}"
    if late:
        yield f"late: {', '.join(late)}; the night would wait for them, then go on without"
    if off := nights.switched_off(sources):
        yield f"off for want of feeds: {'; '.join(off)}"
    said: list[str] = []
    speaking = able(settings, as_of, models, said.append)
    yield from said
    yield f"models: {', '.join(speaking) or 'none'}"
    yield f"exports: {', '.join(table.name for table in tables_of(speaking)) or 'none'}"
