"""Where ingest finds a feed's files: the landing folder, or a spool in the home for what comes from elsewhere.

Fixed code fetches; the mapping, which is the operator's code, then runs over the spool without network or
credentials, in the same fence as over the landing folder. Objects of an S3 store lie in the spool for the length of
one batch. Rows of a SQL source stay there (`pipelines.spooled_days` says why).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from pipelines import markers
from pipelines.deliveries import Delivery, Marker, deliveries_of, file_stamp, find_deliveries
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.sources import Source, Store
from pipelines.uris import DS, split_uri

Log = Callable[[str], None]
Stamp = dict[str, str | int]


@dataclass(frozen=True)
class Place:
    """The deliveries of a feed as if they had always lain in `folder`.

    `source` is the mapping with a uri below that folder. `fetch` brings the files of a batch there, in place of
    those of the batch before; `stamp` stands for a file's bytes without them. `running` are days not over yet,
    `note` says what is there but not complete yet.
    """

    name: str
    source: Source
    folder: Path
    deliveries: Sequence[Delivery]
    stamp: Callable[[Path], Stamp]
    fetch: Callable[[Sequence[Path]], None]
    running: frozenset[date] = frozenset()
    note: str = ""


@contextmanager
def opened(
    home: Home,
    settings: Settings,
    feed: str,
    source: Source,
    store: Store,
    first: date | None,
    last: date | None,
    log: Log,
) -> Iterator[Place]:
    """The place of a feed's deliveries between two business days; what it holds for a batch only goes at the end.

    A SQL source gives every day up to `last`: a row that was committed late belongs to a day before `first`.
    """
    if source.is_s3:
        folder = home.spool / feed / "objects"
        try:
            yield _objects(folder, settings, feed, source, first, last)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    elif source.is_sql:
        yield _table(home, settings, feed, source, store, last, log)
    else:
        landing = settings.landing_folder
        found = markers.landed(source, landing, first, last)
        name, stamp = f"{source.uri} in {landing}", partial(file_stamp, landing=landing)
        yield Place(name, source, landing, found.complete, stamp, fetch=lambda paths: None, note=found.note)


def delivered_days(settings: Settings, feed: str, source: Source, store: Store) -> set[date | None]:
    """The business days that a feed's place has whole, by a look at it: no delivery is fetched."""
    if source.is_s3:
        folder = Home.open(settings.home).spool / feed / "objects"
        return {delivery.ds for delivery in _objects(folder, settings, feed, source, None, None).deliveries}
    if source.is_sql:
        from pipelines.fetch_postgres import whole_days

        return set(whole_days(settings, feed, source, store))
    return {delivery.ds for delivery in markers.landed(source, settings.landing_folder, None, None).complete}


def _objects(
    folder: Path, settings: Settings, feed: str, source: Source, first: date | None, last: date | None
) -> Place:
    from pipelines import fetch_s3

    client = fetch_s3.open_store(feed, source.uri, settings)
    local = _below(source)
    marked = _marked(client, folder, feed, source, first, last)
    found = {folder / stored.key: stored for stored in fetch_s3.list_objects(client, feed, source.uri, first, last)}

    def fetch(paths: Sequence[Path]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        fetch_s3.download(client, feed, {path: found[path] for path in paths})

    listed = deliveries_of(found, local, folder, first, last)
    sifted = markers.sift(local, listed, marked, lambda path: found[path].changed_at)
    return Place(source.place, local, folder, sifted.complete, lambda path: found[path].stamp, fetch, note=sifted.note)


def _below(source: Source) -> Source:
    """The mapping of objects as one of files: their keys are paths below the spool."""
    rule = source.complete
    if rule and rule.marker:
        rule = rule.model_copy(update={"marker": split_uri(rule.marker)[1]})
    return source.model_copy(update={"uri": split_uri(source.uri)[1], "complete": rule})


def _marked(
    client: Any, folder: Path, feed: str, source: Source, first: date | None, last: date | None
) -> dict[date | None, Marker]:
    from pipelines import fetch_s3

    if source.complete is None or source.complete.marker is None:
        return {}
    uri = source.complete.marker
    found = {folder / stored.key: stored for stored in fetch_s3.list_objects(client, feed, uri, first, last)}
    listed = deliveries_of(found, markers.marker_source(source, split_uri(uri)[1]), folder, first, last)
    return {
        delivery.ds: Marker(
            path,
            found[path].uri,
            found[path].bytes,
            found[path].changed_at,
            partial(fetch_s3.read, client, feed, found[path]),
        )
        for delivery in listed
        for path in delivery.paths
    }


def _table(
    home: Home, settings: Settings, feed: str, source: Source, store: Store, last: date | None, log: Log
) -> Place:
    from pipelines.spooled_days import refresh

    table = refresh(home.spool / feed, settings, feed, source, store, last, log)
    local = source.model_copy(update={"uri": f"{DS}.parquet", "format": "parquet"})
    running = frozenset(day for day in table.days if day > table.last_whole_day)

    def stamp(path: Path) -> Stamp:
        found = {**file_stamp(path, table.folder), "name": f"{source.place}/{path.stem}"}
        return {**found, "is_running": True} if date.fromisoformat(path.stem) in running else found

    deliveries = find_deliveries(local, table.folder, None, last)
    return Place(source.place, local, table.folder, deliveries, stamp, fetch=lambda paths: None, running=running)
