"""`nightshift erase`: a customer leaves the home, and stays out of it.

The order is what makes a kill safe: first the suppression list, by which alone everything after it finds the person,
then raw/ as one change, then file by file what was derived or set aside, then the warehouse from nothing, published
anew.
Run again, each step finds what is left to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipelines import ledger, night_exports, nights, rewriting, suppression, warehouse
from pipelines import published as publishing
from pipelines.erased_deliveries import DeliverySearch, shared_columns
from pipelines.erased_files import ErasedFiles
from pipelines.erased_person import end, is_unended
from pipelines.erased_person import suppress as suppress_person
from pipelines.erased_places import erase_at_places
from pipelines.erased_raw import refuse_damaged, rewrite_raw
from pipelines.errors import UsageError
from pipelines.export_delivery import DeliveredInPartError
from pipelines.feeds import FEEDS
from pipelines.home import Home, write_atomically
from pipelines.personal_data import PersonalDataKey, load_key
from pipelines.settings import Settings
from pipelines.sources import Sources, load_sources
from pipelines.suppression import personal_columns

Log = Callable[[str], None]


@dataclass
class Receipt:
    """What an erasure did, without naming the person: `customer` is the keyed hash of the id."""

    customer: str
    key_id: str
    erased_at: str
    is_resumed: bool
    raw: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    quarantine_rows: int = 0
    spool_rows: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)
    exports: Mapping[str, int] = field(default_factory=dict)
    snapshots_removed: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)
    sinks: dict[str, str] = field(default_factory=dict)
    published: str | None = None
    landing_removed: list[str] = field(default_factory=list)
    remains: dict[str, str] = field(default_factory=dict)
    no_longer_reproducible: list[str] = field(default_factory=list)

    @property
    def has_changed_the_home(self) -> bool:
        return bool(
            self.raw or self.quarantine_rows or self.spool_rows or self.tables or self.exports or self.snapshots_removed
        )


def erase(settings: Settings, customer: str, owner: str, is_removing_landing: bool, log: Log) -> tuple[Receipt, Path]:
    """Erase the customer with this id of the store's; returns the receipt and the file that keeps it.

    Landing files are only searched, unless `is_removing_landing`. Raises `NightshiftError` when the home is busy or a
    raw partition is not the ledger's, before anything changes; also when another file is damaged or the warehouse
    cannot be built: the person is then out of raw/, and the same call goes on.
    """
    if not customer.strip():
        raise UsageError("--customer is empty; give the store's own customer_id")
    home, sources = Home.open(settings.home), load_sources(settings.sources_file)
    try:
        with home.held(owner, settings.lease_minutes, settings.lock_wait_seconds), rewriting.loads_locked(home, log):
            rewriting.finish(home)
            receipt, key = _begun(home, settings, customer, log)
            first_day = _clean(home, settings, sources, key, receipt, log)
        _rebuild(home, settings, owner, receipt, log)
        erase_at_places(home, settings, receipt.sinks, receipt.remains, log)
        if receipt.has_changed_the_home or receipt.is_resumed:
            receipt.no_longer_reproducible += _unreproducible(home, first_day, receipt.rebuilt)
        _landing(DeliverySearch(home, settings, sources, key), customer, receipt, is_removing_landing, log)
        return receipt, _finish(home, receipt)
    finally:
        nights.release(settings, owner)


def is_pending(home: Home) -> bool:
    """Whether an erasure broke off; the same command again goes on with it."""
    return any(is_unended(content) for content in suppression.lists(home).values())


def _begun(home: Home, settings: Settings, customer: str, log: Log) -> tuple[Receipt, PersonalDataKey]:
    key = load_key(home, settings)
    refuse_damaged(home)
    name, is_resumed = suppress_person(home, settings, key, customer)
    log("suppression list: every load from now on leaves the person out")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Receipt(name, key.id, now, is_resumed), load_key(home, settings)


def _clean(
    home: Home, settings: Settings, sources: Sources, key: PersonalDataKey, receipt: Receipt, log: Log
) -> str | None:
    """Everything but the warehouse and the landing folder; returns the first business day that changed in raw/."""
    receipt.raw, first_day = rewrite_raw(home, settings, key)
    for feed, counts in receipt.raw.items():
        log(f"raw: {feed}, {', '.join(f'{name} {count:,}' for name, count in counts.items())}")
    files = ErasedFiles(home, settings, key)
    files.leftovers()
    deliveries = DeliverySearch(home, settings, sources, key)
    receipt.quarantine_rows = files.quarantine()
    for feed, source in sources.feeds.items():
        if source.is_sql and personal_columns(FEEDS[feed]):
            for folder in sorted(home.spool.glob(f"{feed}/*/")):
                for path, rows in deliveries.erase_spool(feed, source, folder).items():
                    name = path.relative_to(home.root).as_posix()
                    receipt.spool_rows = {**receipt.spool_rows, name: rows}
                    if shared := shared_columns(feed, source):
                        receipt.remains[name] = f"other columns are made of {', '.join(shared)} too, so it stays"
    receipt.tables, receipt.exports = files.tables(), files.exports(receipt.customer)
    receipt.snapshots_removed = files.snapshots()
    receipt.no_longer_reproducible += [f"snapshots/{name}" for name in receipt.snapshots_removed]
    # Also when no file has changed: the store may have delivered the days anew without the person since the last build.
    warehouse.forget(home)
    return first_day


def _rebuild(home: Home, settings: Settings, owner: str, receipt: Receipt, log: Log) -> None:
    """The warehouse of the day it held, and what of that day had left, and the same for the published day."""
    built = max((event["as_of"] for event in ledger.events(home, "builds")), default=None)
    published = publishing.newest_event(home)
    days = [built] if built else []
    if published and published["as_of"] not in days:
        days.append(published["as_of"])
    for day in days:
        as_of = date.fromisoformat(day)
        nights.build(settings, as_of, owner, log)
        if any(home.predictions.glob(f"*/as_of={day}")):
            nights.score(settings, as_of, owner, log)
        if any(home.exports.glob(f"*/v*/as_of={day}/manifest.json")):
            night_exports.export(settings, as_of, owner, log)
        if published and published["as_of"] == day:
            # What a place did not take is told with what was done at the places.
            with suppress(DeliveredInPartError):
                nights.publish(settings, as_of, owner, log)
            receipt.published = day
        receipt.rebuilt.append(day)
    publishing.forget_all_but_newest(home)


def _unreproducible(home: Home, first_day: str | None, rebuilt: list[str]) -> list[str]:
    """What earlier nights left that the rows of today would not give again; all of it if that is not known."""
    newest = {event["snapshot"] for event in list(ledger.events(home, "builds"))[-len(rebuilt) :]}
    snapshots = {
        f"snapshots/{event['snapshot']}"
        for event in ledger.events(home, "builds")
        if event["as_of"] >= (first_day or "") and event["snapshot"] not in newest
    }
    exports = {
        path.relative_to(home.root).as_posix()
        for path in home.exports.glob("*/v*/as_of=*")
        if path.name.removeprefix("as_of=") >= (first_day or "") and path.name.removeprefix("as_of=") not in rebuilt
    }
    return sorted({name for name in snapshots if (home.root / name).exists()} | exports)


def _landing(search: DeliverySearch, customer: str, receipt: Receipt, is_removing: bool, log: Log) -> None:
    landing = search.settings.landing_folder
    log(f"landing: searching {landing}")
    # Deliveries that name another erased person only are not this customer's.
    key = replace(search.key, suppressed=suppression.read_one(search.home, receipt.customer))
    found = replace(search, key=key).naming(customer)
    for path in sorted(found.naming):
        name = path.relative_to(landing).as_posix()
        if is_removing:
            path.unlink()
            receipt.landing_removed.append(name)
        else:
            receipt.remains[f"landing/{name}"] = "the delivery names the person; --remove-landing deletes it"
    for path in sorted(found.unreadable - found.naming):
        name = f"landing/{path.relative_to(landing).as_posix()}"
        receipt.remains[name] = "it cannot be read, so whether it names the person is not known"
    for feed, source in search.sources.feeds.items():
        if source.is_sql or source.is_s3:
            receipt.remains[source.place] = f"{feed} comes from there; it is not Nightshift's to change"


def _finish(home: Home, receipt: Receipt) -> Path:
    content: dict[str, Any] = asdict(receipt)
    stamp = datetime.fromisoformat(receipt.erased_at).strftime("%Y%m%dT%H%M%S")
    path = home.root / "erasures" / f"{stamp}-{receipt.customer[:12]}.json"
    write_atomically(path, json.dumps(content, indent=2).encode())
    ledger.append(home, "erasures", content)
    end(home, receipt.customer)
    return path
