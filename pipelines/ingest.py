"""Landing to raw: every delivered row ends in `raw/`, in quarantine with its reason, or is counted a duplicate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from pipelines import ledger, spool
from pipelines.deliveries import Delivery
from pipelines.erased_deliveries import DeliverySearch
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS, Feed
from pipelines.home import Home
from pipelines.loading import StampedDelivery, clear_workplaces, load
from pipelines.personal_data import PersonalDataKey, load_key, read_key
from pipelines.rewriting import load_locked
from pipelines.settings import Settings
from pipelines.sources import Sources, load_sources
from pipelines.spool import Place

Log = Callable[[str], None]
_CALENDAR = "calendar"
# Small daily files load fastest many at a time, a year of them at once; large ones are held to what memory takes.
_BATCH_DAYS = 400
_BATCH_BYTES = 48 << 20


@dataclass(frozen=True)
class LoadReport:
    """What one call did with one feed.

    `status`: loaded, unchanged, late (of the days asked for none is there and over) or off (not mapped).
    """

    feed: str
    status: str
    message: str
    days: int = 0
    rows_in: int = 0
    rows_loaded: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    rows_excluded: int = 0
    late_days: tuple[date, ...] = field(default=())


def ingest(
    settings: Settings,
    feeds: Sequence[str] | None,
    first: date | None,
    last: date | None,
    log: Log,
    again: bool = False,
    days: Collection[date] | None = None,
    accept_checks: bool = False,
) -> list[LoadReport]:
    """Load the feeds' deliveries of the business days `first` to `last`, bulk history always whole.

    With `days`, only those of them are loaded.
    Loading the same bytes again changes nothing, unless `again` asks for it. Raises `NightshiftError` when a file
    is damaged, a mapping does not fit, too many rows are refused or a day looks like none, unless `accept_checks`;
    nothing of that batch is loaded then.
    """
    home = Home.open(settings.home)
    sources = load_sources(settings.sources_file)
    # That it is the one of what is loaded is judged under each feed's lock: a rotation may be running.
    read_key(home, settings)
    names = list(feeds or FEEDS)
    if _CALENDAR not in names:
        _load_calendar(home, settings, sources, first, last, log)
    in_order = sorted(names, key=lambda name: name != _CALENDAR)
    reports = {
        name: _ingest_feed(home, settings, sources, name, first, last, log, again, days, accept_checks)
        for name in in_order
    }
    return [reports[name] for name in names]


def _load_calendar(
    home: Home, settings: Settings, sources: Sources, first: date | None, last: date | None, log: Log
) -> None:
    """Load the calendar before the feeds asked for, of which another process may have it: of a day that it calls
    closed no check expects rows. What is wrong with it is said, and is no fault of theirs."""
    try:
        _ingest_feed(home, settings, sources, _CALENDAR, first, last, log, False, None, False)
    except NightshiftError as error:
        log(f"{_CALENDAR}: not loaded, {error}")


def _ingest_feed(
    home: Home,
    settings: Settings,
    sources: Sources,
    name: str,
    first: date | None,
    last: date | None,
    log: Log,
    again: bool,
    days: Collection[date] | None,
    accept_checks: bool,
) -> LoadReport:
    source = sources.feeds.get(name)
    if source is None:
        return LoadReport(name, "off", f"{settings.sources_file.name} does not map this feed")
    with (
        _alone(home, settings, name, log) as key,
        spool.opened(home, settings, name, source, sources.store, first, last, log) as place,
    ):
        asked = [found for found in place.deliveries if days is None or found.ds is None or found.ds in days]
        late = _late_days(place, first, last)
        if not asked:
            return LoadReport(name, "late", place.note or f"no file for {place.name}", late_days=late)
        if place.note:
            log(f"{name}: {place.note}")
        if source.is_sql and key.suppressed:
            # What the table still gives of erased people must not lie in the spool either.
            DeliverySearch(home, settings, sources, key).erase_spool(name, source, place.folder)
        stamped = _changed(home, FEEDS[name], place, asked, sources, again)
        entries: list[dict[str, Any]] = []
        for group in _batches(stamped):
            place.fetch([path for stamped in group for path in stamped.delivery.paths])
            loaded = load(home, settings, FEEDS[name], place, sources, key, group, log, accept_checks)
            entries += loaded
            if loaded:
                log(f"{name}: {_span(loaded)} loaded, {sum(entry['rows_loaded'] for entry in loaded):,} rows")
    report = _report(name, entries, late)
    if late and late == _days_asked(place, first, last):
        return replace(report, status="late", message=place.note or f"{place.name} has {late[-1]} not whole yet")
    return report


@contextmanager
def _alone(home: Home, settings: Settings, feed: str, log: Log) -> Iterator[PersonalDataKey]:
    """The key, while no one else loads the feed."""
    with load_locked(home, feed, log):
        # A load that was killed left them, and this one may find nothing to do.
        clear_workplaces(home, feed)
        yield load_key(home, settings)


def _late_days(place: Place, first: date | None, last: date | None) -> tuple[date, ...]:
    found = {delivery.ds for delivery in place.deliveries} - place.running
    return tuple(day for day in _days_asked(place, first, last) if day not in found)


def _days_asked(place: Place, first: date | None, last: date | None) -> tuple[date, ...]:
    if place.source.is_bulk or first is None or last is None:
        return ()
    return tuple(date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1))


def _changed(
    home: Home,
    feed: Feed,
    place: Place,
    asked: Sequence[Delivery],
    sources: Sources,
    again: bool,
) -> list[StampedDelivery]:
    """The deliveries whose bytes, mapping or contract differ from what the ledger last saw."""
    loaded = ledger.partitions(home, feed.name)
    last = ledger.latest(home, f"loads/{feed.name}")
    known = {entry["fingerprint"] for entry in last["partitions"]} if last and last["is_bulk"] else set()
    # When a delivery may be taken says nothing about what it holds.
    described = place.source.model_dump(mode="json", exclude_defaults=True, exclude={"complete"})
    mapping = [repr(feed), described, sources.store.timezone]
    changed = []
    for delivery in asked:
        stamps = [place.stamp(path) for path in delivery.paths]
        fingerprint = ledger.fingerprint([mapping, stamps])
        seen = known if delivery.ds is None else {loaded[delivery.ds].fingerprint} if delivery.ds in loaded else set()
        if again or fingerprint not in seen:
            changed.append(StampedDelivery(delivery, stamps, fingerprint))
    return changed


def _batches(changed: Sequence[StampedDelivery]) -> Iterator[list[StampedDelivery]]:
    group: list[StampedDelivery] = []
    size = 0
    for stamped in changed:
        if group and (size + stamped.bytes > _BATCH_BYTES or len(group) >= _BATCH_DAYS):
            yield group
            group, size = [], 0
        group.append(stamped)
        size += stamped.bytes
    if group:
        yield group


def _span(entries: Sequence[dict[str, Any]]) -> str:
    first, last = entries[0]["ds"], entries[-1]["ds"]
    return str(first) if first == last else f"{first} to {last}"


def _report(name: str, entries: Sequence[dict[str, Any]], late: tuple[date, ...]) -> LoadReport:
    note = f"; {len(late)} of the days asked for are not there, or not complete, yet" if late else ""
    if not entries:
        return LoadReport(name, "unchanged", f"nothing new{note}", late_days=late)
    totals = {count: sum(int(entry[count]) for entry in entries) for count in ledger.ROW_COUNTS}
    return LoadReport(name, "loaded", f"{_span(entries)}{note}", len(entries), **totals, late_days=late)
