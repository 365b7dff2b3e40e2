"""Which deliveries are complete, and whether they are what their markers declare.

A marker is looked for before the files: what was written before it is then in the list of files. It is no part of
what a day is loaded from, so a marker that changes alone loads nothing again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from os.path import normpath
from pathlib import Path
from typing import Any

from pipelines import ledger
from pipelines.deliveries import Delivery, Marker, deliveries_of, find_deliveries, refuse_link_out
from pipelines.errors import NightshiftError
from pipelines.sources import Source
from pipelines.uris import path_pattern

# A line a file: this names ten thousand of them.
MAX_MARKER_BYTES = 1 << 20
_WHOLE_NUMBER = re.compile(rb"\s*([0-9]{1,15})\s*")
_SHA256SUM = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)")
_ESCAPED = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


@dataclass(frozen=True)
class Found:
    """The complete deliveries, and for each day (None: bulk history) that is not, why."""

    complete: list[Delivery]
    waiting: Mapping[date | None, str]

    @property
    def note(self) -> str:
        """One line on what is waited for; empty when nothing is."""
        if not self.waiting:
            return ""
        ds, reason = next(iter(self.waiting.items()))
        day = f", such as {ds}: " if ds else ": "
        return f"{len(self.waiting):,} not complete yet{day}{reason}"


def landed(source: Source, landing: Path, first: date | None, last: date | None) -> Found:
    """The deliveries of a feed in the landing folder between two business days, in order."""
    markers = _landed_markers(source, landing, first, last)
    return sift(source, find_deliveries(source, landing, first, last), markers, _changed_at)


def _landed_markers(source: Source, landing: Path, first: date | None, last: date | None) -> dict[date | None, Marker]:
    if source.complete is None or source.complete.marker is None:
        return {}
    found = find_deliveries(marker_source(source, source.complete.marker), landing, first, last)
    return {delivery.ds: _landed_marker(path, landing) for delivery in found for path in delivery.paths}


def marker_source(source: Source, uri: str) -> Source:
    """A source whose deliveries are the markers."""
    return source.model_copy(update={"uri": uri, "complete": None})


def _landed_marker(path: Path, landing: Path) -> Marker:
    name = path.relative_to(landing).as_posix()

    def read() -> bytes:
        refuse_link_out(path, landing)
        try:
            with path.open("rb") as file:
                return file.read(MAX_MARKER_BYTES + 1)
        except OSError as error:
            raise NightshiftError(f"{name}: cannot be read: {error.strerror}") from None

    return Marker(path, name, path.stat().st_size, _changed_at(path), read)


def _changed_at(path: Path) -> float:
    """Not the time of modification, which whoever copies a file may set."""
    return path.stat().st_ctime


def sift(
    source: Source,
    found: Sequence[Delivery],
    markers: Mapping[date | None, Marker],
    changed_at: Callable[[Path], float],
) -> Found:
    """Tell complete deliveries from those to wait for; a marker that declares 0 rows is complete without a file."""
    rule = source.complete
    if rule is None:
        return Found(list(found), {})
    now, complete, waiting = time.time(), [], {}
    for delivery in found:
        marker = markers.get(delivery.ds)
        changes = [changed_at(path) for path in delivery.paths] + ([marker.changed_at] if marker else [])
        if rule.marker and marker is None:
            waiting[delivery.ds] = f"its marker {rule.marker} is not there"
        elif rule.declares and marker and not marker.size:
            waiting[delivery.ds] = f"its marker {marker.name} is empty"
        elif rule.stable_seconds and now - max(changes) < rule.stable_seconds:
            waiting[delivery.ds] = f"it changed less than {rule.stable_seconds:g} seconds ago"
        else:
            complete.append(replace(delivery, marker=marker))
    if rule.declares == "rows":
        for ds in markers.keys() - {delivery.ds for delivery in found} - {None}:
            is_stable = now - markers[ds].changed_at >= (rule.stable_seconds or 0)
            if is_stable and _declared_rows(markers[ds]) == 0:
                complete.append(Delivery(ds, (), markers[ds]))
    return Found(sorted(complete, key=lambda delivery: str(delivery.ds)), waiting)


def verify_files(source: Source, delivery: Delivery, stamps: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Raise `NightshiftError` unless the files in `folder` are those that the marker names, by their SHA-256."""
    if source.complete is None or source.complete.declares != "sha256" or delivery.marker is None:
        return
    marker, missing = delivery.marker, set(delivery.paths)
    stamped = dict(zip(delivery.paths, stamps, strict=True))
    for places, sha256 in _declared_hashes(marker, folder):
        for path in missing.intersection(places):
            if sha256 != (stamped[path].get("sha256") or ledger.file_sha256(path)):
                raise NightshiftError(
                    f"{stamped[path]['name']}: its SHA-256 is not the one that {marker.name} declares; deliver it again"
                )
        missing -= set(places)
        if not stamped.keys() & set(places) and _is_of_the_day(source, delivery, places, folder):
            name = places[0].relative_to(folder).as_posix()
            raise NightshiftError(f"{marker.name} names {name}, which is not there; deliver it again")
    for path in sorted(missing):
        raise NightshiftError(f"{marker.name} does not name {stamped[path]['name']}; deliver the marker again")


def _is_of_the_day(source: Source, delivery: Delivery, places: Sequence[Path], folder: Path) -> bool:
    """Whether a named file would belong to the delivery: a list may name those of other feeds or days as well."""
    pattern = path_pattern(source.uri)
    named = [path for path in places if pattern.fullmatch(path.relative_to(folder).as_posix())]
    return bool(deliveries_of(named, source, folder, delivery.ds, delivery.ds))


def verify_rows(source: Source, delivery: Delivery, rows: int) -> None:
    """Raise `NightshiftError` unless the delivery has as many rows as its marker declares."""
    if source.complete is None or source.complete.declares != "rows" or delivery.marker is None:
        return
    declared = _declared_rows(delivery.marker)
    if declared != rows:
        raise NightshiftError(
            f"{delivery.marker.name} declares {declared:,} rows, the delivery has {rows:,}; deliver it again"
        )


def _declared_rows(marker: Marker) -> int:
    match = _WHOLE_NUMBER.fullmatch(_content(marker))
    if match is None:
        raise NightshiftError(f"{marker.name} declares no number of rows; it should hold a whole number, no more")
    return int(match[1])


def _declared_hashes(marker: Marker, folder: Path) -> Iterator[tuple[list[Path], str]]:
    """Where each file named may lie, beside the marker, as for sha256sum, or from the landing folder; its SHA-256."""
    lines = _content(marker).decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        match = _SHA256SUM.fullmatch(line.removesuffix("\r"))
        if match is None:
            raise NightshiftError(f"{marker.name}: line {number} is none of sha256sum: a hash, two spaces, a file")
        name = re.sub(r"\\[\\nr]", lambda found: _ESCAPED[found[0]], match[3]) if match[1] else match[3]
        places = [Path(normpath(base / name)) for base in (marker.path.parent, folder)]
        yield [path for path in places if path.is_relative_to(folder)], match[2].lower()


def _content(marker: Marker) -> bytes:
    content = marker.read()
    if len(content) > MAX_MARKER_BYTES:
        raise NightshiftError(f"{marker.name}: a marker of more than {MAX_MARKER_BYTES >> 20} MiB is none")
    return content
