"""One batch of a feed's deliveries, from its files to raw/, quarantine and ledger: all of it or nothing."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines import batch_checks, ledger, markers, quarantine
from pipelines.batch_writing import write_days
from pipelines.delivered_sql import is_out_of_space, mixed_line_ends, one_line
from pipelines.deliveries import Delivery
from pipelines.errors import NightshiftError
from pipelines.feeds import Feed
from pipelines.home import Home
from pipelines.load_batch import Batch, DayCounts
from pipelines.personal_data import PersonalDataKey
from pipelines.schema_drift import Drift, drift
from pipelines.settings import Settings
from pipelines.sources import Source, Sources
from pipelines.spool import Place
from pipelines.swap import Swap
from pipelines.whole_files import examine

Log = Callable[[str], None]


@dataclass(frozen=True)
class StampedDelivery:
    """A delivery with what its files were when it was looked at, and what stands for its bytes and their mapping."""

    delivery: Delivery
    stamps: list[dict[str, str | int]]
    fingerprint: str

    @property
    def bytes(self) -> int:
        return sum(int(stamp["bytes"]) for stamp in self.stamps)


def load(
    home: Home,
    settings: Settings,
    feed: Feed,
    place: Place,
    sources: Sources,
    key: PersonalDataKey,
    group: Sequence[StampedDelivery],
    log: Log,
    accept_checks: bool,
) -> list[dict[str, Any]]:
    """Read, check, write beside, swap in, record: one batch, one ledger event, whose entries are returned."""
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
        held = ledger.partitions(home, feed.name)
        retired = list(held) if source.is_bulk else without_file
        with Batch(settings, feed, source, sources.store, key, (landing, plain), staging) as batch:
            batch.read(files, retired)
            counts = batch.counts()
            _verify_rows(source, group, counts)
            quarantine.check_limits(home, settings, batch, counts)
            checked = batch_checks.check_batch(home, batch, counts, place.running, accept_checks, log)
            entries = [{**entry, **checked[entry["ds"]]} for entry in write_days(batch, counts, held)]
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
        clear_workplaces(home, feed.name)
    return entries


def _workplaces(home: Home, feed: str) -> tuple[Path, Path]:
    """Where a load writes its results beside, and where it unpacks deliveries, whose personal data is not hashed."""
    return home.raw / feed / ".staging", home.spool / feed / "plain"


def clear_workplaces(home: Home, feed: str) -> None:
    """Remove what a load of the feed leaves beside, as one does that was killed."""
    for folder in _workplaces(home, feed):
        shutil.rmtree(folder, ignore_errors=True)


def _verify_rows(source: Source, group: Sequence[StampedDelivery], counts: Sequence[DayCounts]) -> None:
    delivered = {day.ds: day.rows_in + day.rows_excluded for day in counts}
    for stamped in group:
        delivery = stamped.delivery
        rows = sum(delivered.values()) if delivery.ds is None else delivered.get(delivery.ds, 0)
        markers.verify_rows(source, delivery, rows)


def _refuse_changed_files(group: Sequence[StampedDelivery], place: Place) -> None:
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
    group: Sequence[StampedDelivery],
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
