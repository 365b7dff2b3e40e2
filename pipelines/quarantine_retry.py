"""The way back from quarantine: days with refused rows are loaded again, by the ordinary load, once they are mended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipelines import ledger, markers, quarantine
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.ingest import ingest
from pipelines.ledger import Partition
from pipelines.quarantine import Filters
from pipelines.settings import Settings
from pipelines.sources import Source, load_sources

Log = Callable[[str], None]


@dataclass(frozen=True)
class FeedRetry:
    """What a retry did with one feed's days.

    `changed` has each day that was loaded again, before and after; a day of `tried` that is not in it was not
    mended. `left` says why a day could not be tried, `error` why the load failed.
    """

    feed: str
    is_bulk: bool = False
    tried: tuple[date, ...] = ()
    changed: Mapping[date, tuple[Partition | None, Partition | None]] = field(default_factory=dict)
    left: Mapping[date, str] = field(default_factory=dict)
    error: str = ""


def retry(settings: Settings, filters: Filters, owner: str, log: Log) -> list[FeedRetry]:
    """Load again the days with quarantined rows, from the landing files and the mapping as they are now.

    A day of which neither file nor mapping has changed stays as it is, to the byte. A feed whose load fails
    does not keep the others from theirs.
    """
    home = Home.open(settings.home)
    if not days_to_retry(home, settings, filters):
        return []
    sources = load_sources(settings.sources_file)
    try:
        with home.held(owner, settings.lease_minutes, settings.lock_wait_seconds):
            days = days_to_retry(home, settings, filters)
            return [
                _retry_feed(home, settings, feed, sources.feeds.get(feed), days[feed], log)
                for feed in FEEDS
                if feed in days
            ]
    finally:
        home.release(owner)


def days_to_retry(home: Home, settings: Settings, filters: Filters) -> dict[str, list[date]]:
    """The days with a quarantined row, by feed.

    A load that was killed may have mended a day's quarantine and not its raw rows: days on which quarantine and
    ledger do not agree belong here too.
    """
    counts = quarantine.day_counts(settings, quarantine.quarantined_files(home, filters), filters)
    found: dict[str, list[date]] = {}
    for feed in filters.wanted_feeds:
        recorded = {ds: part.rows_quarantined for ds, part in ledger.partitions(home, feed).items()}
        known = {ds for ds in recorded if filters.has_day(ds)} | {ds for name, ds in counts if name == feed}
        for ds in sorted(known):
            rows, asked_for = counts.get((feed, ds), (0, 0))
            if asked_for or rows != recorded.get(ds, 0):
                found.setdefault(feed, []).append(ds)
    return found


def _retry_feed(
    home: Home, settings: Settings, feed: str, source: Source | None, days: Collection[date], log: Log
) -> FeedRetry:
    if source is None:
        return FeedRetry(feed, left=dict.fromkeys(days, f"{settings.sources_file.name} does not map this feed"))
    left = _left(home, feed, source, settings.landing_folder, days)
    tried = tuple(ds for ds in days if ds not in left)
    before, error = ledger.partitions(home, feed), ""
    if tried:
        try:
            ingest(settings, [feed], tried[0], tried[-1], log, days=tried)
        except NightshiftError as failure:
            error = str(failure)
    after = ledger.partitions(home, feed)
    changed = {
        ds: (before.get(ds), after.get(ds)) for ds in sorted({*before, *after}) if before.get(ds) != after.get(ds)
    }
    return FeedRetry(feed, source.is_bulk, tried, changed, left, error)


def _left(home: Home, feed: str, source: Source, landing: Path, days: Collection[date]) -> dict[date, str]:
    """The days that would lose rows if they were loaded from what the landing folder has now, and why.

    What lies elsewhere is listed anew by the load itself, which leaves a day that is gone as it is.
    """
    if source.is_sql or source.is_s3:
        return {}
    found = markers.landed(source, landing, None, None)
    delivered = {delivery.ds for delivery in found.complete}
    names = ledger.delivered_names(home, feed)
    left = {}
    for ds in days:
        is_delivered = (None if source.is_bulk else ds) in delivered
        hint = f"; if the delivery is whole without, say so with: nightshift ingest {feed} --from {ds} --to {ds}"
        gone = [name for name in names.get(ds, []) if not (landing / name).exists()]
        if reason := found.waiting.get(None if source.is_bulk else ds):
            left[ds] = f"not complete yet: {reason}"
        elif gone:
            left[ds] = f"{', '.join(gone)} gone from {landing}{hint if is_delivered else ''}"
        elif not is_delivered:
            left[ds] = f"no file for {source.uri} in {landing}"
    return left
