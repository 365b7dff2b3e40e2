"""Landing to raw: every delivered row ends in `raw/`, in quarantine with its reason, or is counted a duplicate."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from pipelines import batch_checks, ledger, markers, quarantine, spool
from pipelines.batch_writing import write_days
from pipelines.delivered_sql import is_out_of_space, mixed_line_ends, one_line
from pipelines.deliveries import Delivery
from pipelines.erased_deliveries import erase_spool
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS, Feed
from pipelines.home import Home
from pipelines.load_batch import Batch, DayCounts
from pipelines.personal_data import PersonalDataKey, load_key
from pipelines.schema_drift import Drift, drift
from pipelines.settings import Settings
from pipelines.sources import Source, Sources, load_sources
from pipelines.spool import Place
from pipelines.swap import Swap
from pipelines.whole_files import examine

Log = Callable[[str], None]
# Small daily files load fastest many at a time; large ones are held to what memory takes.
_BATCH_DAYS = 180
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
    load_key(home, settings)
    names = list(feeds or FEEDS)
    # The calendar comes first: the days that it calls closed are judged by no check.
    in_order = sorted(names, key=lambda name: name != "calendar")
    reports = {
        name: _ingest_feed(home, settings, sources, name, first, last, log, again, days, accept_checks)
        for name in in_order
    }
    return [reports[name] for name in names]


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
    folder = home.raw / name
    folder.mkdir(parents=True, exist_ok=True)
    with (
        _alone(folder / ".load.lock", name, log),
        spool.opened(home, settings, name, source, sources.store, first, last, log) as place,
    ):
        # A load that was killed left them, and this one may find nothing to do.
        _clear_workplaces(home, name)
        # Under the lock: it may have been waited for while the key was rotated.
        key = load_key(home, settings)
        asked = [found for found in place.deliveries if days is None or found.ds is None or found.ds in days]
        late = _late_days(place, first, last)
        if not asked:
            return LoadReport(name, "late", place.note or f"no file for {place.name}", late_days=late)
        if place.note:
            log(f"{name}: {place.note}")
        if source.is_sql and key.suppressed:
            # What the table still gives of erased people must not lie in the spool either.
            erase_spool(home, settings, name, source, sources, key, place.folder)
        stamped = _changed(home, FEEDS[name], place, asked, sources, again)
        entries: list[dict[str, Any]] = []
        for group in _batches(stamped):
            place.fetch([path for stamped in group for path in stamped.delivery.paths])
            loaded = _load(home, settings, FEEDS[name], place, sources, key, group, log, accept_checks)
            entries += loaded
            if loaded:
                log(f"{name}: {_span(loaded)} loaded, {sum(entry['rows_loaded'] for entry in loaded):,} rows")
    report = _report(name, entries, late)
    if late and late == _days_asked(place, first, last):
        return replace(report, status="late", message=place.note or f"{place.name} has {late[-1]} not whole yet")
    return report


@contextmanager
def _alone(path: Path, feed: str, log: Log) -> Iterator[None]:
    """One load of a feed at a time, whoever runs it; the system drops the lock when its process dies."""
    lock = FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"{feed}: another load of this feed is running; waiting for its end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class _Stamped:
    delivery: Delivery
    stamps: list[dict[str, str | int]]
    fingerprint: str

    @property
    def bytes(self) -> int:
        return sum(int(stamp["bytes"]) for stamp in self.stamps)


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
) -> list[_Stamped]:
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
            changed.append(_Stamped(delivery, stamps, fingerprint))
    return changed


def _batches(changed: Sequence[_Stamped]) -> Iterator[list[_Stamped]]:
    group: list[_Stamped] = []
    size = 0
    for stamped in changed:
        if group and (size + stamped.bytes > _BATCH_BYTES or len(group) >= _BATCH_DAYS):
            yield group
            group, size = [], 0
        group.append(stamped)
        size += stamped.bytes
    if group:
        yield group


def _load(
    home: Home,
    settings: Settings,
    feed: Feed,
    place: Place,
    sources: Sources,
    key: PersonalDataKey,
    group: Sequence[_Stamped],
    log: Log,
    accept_checks: bool,
) -> list[dict[str, Any]]:
    """Read, check, write beside, rename, record: one batch, one ledger event."""
    source, landing = place.source, place.folder
    staging, plain = _workplaces(home, feed.name)
    staging.mkdir()
    try:
        for stamped in group:
            markers.verify_files(source, stamped.delivery, stamped.stamps, landing)
        days = {path: stamped.delivery.ds for stamped in group for path in stamped.delivery.paths}
        files = {examine(path, landing, source, plain): ds for path, ds in days.items()}
        changes = drift(feed, source, tuple(files), ledger.latest(home, f"loads/{feed.name}"))
        without_file = [stamped.delivery.ds for stamped in group if stamped.delivery.ds and not stamped.delivery.paths]
        retired = list(ledger.partitions(home, feed.name)) if source.is_bulk else without_file
        with Batch(settings, feed, source, sources.store, key, (landing, plain), staging) as batch:
            batch.read(files, retired)
            counts = batch.counts()
            _verify_rows(source, group, counts)
            quarantine.check_limits(home, settings, batch, counts)
            checked = batch_checks.check_batch(home, batch, counts, place.running, accept_checks, log)
            entries = [{**entry, **checked[entry["ds"]]} for entry in write_days(batch, counts)]
        _refuse_changed_files(group, place)
        if entries:
            _make_visible(home, feed, staging, entries, _event(feed, source, key, group, entries, changes))
        for note in changes.notes:
            log(note)
    except duckdb.Error as error:
        if is_out_of_space(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(staging)) from error
        named = [str(stamped.stamps[0]["name"]) for stamped in group if stamped.stamps]
        names = ", ".join(named[:3])
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""
        raise NightshiftError(
            f"{feed.name}: {mixed_line_ends(error) or f'{names}{more}: {one_line(error)}'}"
        ) from error
    finally:
        _clear_workplaces(home, feed.name)
    return entries


def _workplaces(home: Home, feed: str) -> tuple[Path, Path]:
    """Where a load writes its results beside, and where it unpacks deliveries, whose personal data is not hashed."""
    return home.raw / feed / ".staging", home.spool / feed / "plain"


def _clear_workplaces(home: Home, feed: str) -> None:
    for folder in _workplaces(home, feed):
        shutil.rmtree(folder, ignore_errors=True)


def _verify_rows(source: Source, group: Sequence[_Stamped], counts: Sequence[DayCounts]) -> None:
    delivered = {day.ds: day.rows_in + day.rows_excluded for day in counts}
    for stamped in group:
        delivery = stamped.delivery
        rows = sum(delivered.values()) if delivery.ds is None else delivered.get(delivery.ds, 0)
        markers.verify_rows(source, delivery, rows)


def _refuse_changed_files(group: Sequence[_Stamped], place: Place) -> None:
    """What was read must be what was stamped: a delivery may still be on its way."""
    for stamped in group:
        for path, stamp in zip(stamped.delivery.paths, stamped.stamps, strict=True):
            if place.stamp(path) != stamp:
                raise NightshiftError(f"{stamp['name']}: it changed while it was read; load it when it is complete")


def _make_visible(
    home: Home, feed: Feed, staging: Path, entries: Sequence[dict[str, Any]], event: dict[str, Any]
) -> None:
    """All of the batch and the ledger's event, which comes last, or nothing of it."""
    recorded, content = ledger.event_file(home, f"loads/{feed.name}", event)
    (staging / "event.json").write_bytes(content)
    with Swap(staging / "before") as swap:
        for entry in entries:
            ds = entry["ds"]
            refused = home.quarantine / feed.name / f"ds={ds}" / "data.parquet"
            if entry["rows_quarantined"]:
                swap.put(staging / f"quarantine-{ds}.parquet", refused)
            else:
                swap.remove(refused)
            swap.put(staging / f"{ds}.parquet", home.raw / feed.name / f"ds={ds}" / "data.parquet")
        swap.put(staging / "event.json", recorded)
    quarantine.sample_file(home, feed.name).unlink(missing_ok=True)


def _event(
    feed: Feed,
    source: Source,
    key: PersonalDataKey,
    group: Sequence[_Stamped],
    entries: Sequence[dict[str, Any]],
    changes: Drift,
) -> dict[str, Any]:
    by_day = {str(stamped.delivery.ds): stamped for stamped in group}
    bulk = group[0] if source.is_bulk else None
    for entry in entries:
        stamped = bulk or by_day[entry["ds"]]
        entry["fingerprint"] = stamped.fingerprint
        entry["files"] = [] if bulk else stamped.stamps
    return {
        "feed": feed.name,
        "key_id": key.id,
        "is_bulk": source.is_bulk,
        "files": bulk.stamps if bulk else [],
        "partitions": list(entries),
        **changes.record,
    }


def _span(entries: Sequence[dict[str, Any]]) -> str:
    first, last = entries[0]["ds"], entries[-1]["ds"]
    return str(first) if first == last else f"{first} to {last}"


def _report(name: str, entries: Sequence[dict[str, Any]], late: tuple[date, ...]) -> LoadReport:
    note = f"; {len(late)} of the days asked for are not there, or not complete, yet" if late else ""
    if not entries:
        return LoadReport(name, "unchanged", f"nothing new{note}", late_days=late)
    totals = {count: sum(int(entry[count]) for entry in entries) for count in ledger.ROW_COUNTS}
    return LoadReport(name, "loaded", f"{_span(entries)}{note}", len(entries), **totals, late_days=late)
