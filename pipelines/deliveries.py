"""What the store delivered: finds the files of a feed and fingerprints them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.errors import NightshiftError
from pipelines.sources import Source
from pipelines.uris import DS, day_pattern, path_pattern


@dataclass(frozen=True)
class Marker:
    """The file that says a delivery is complete: its bytes, when it last changed (seconds since 1970), its content."""

    path: Path
    name: str
    size: int
    changed_at: float
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Delivery:
    """The files of one business day, or of the bulk history (`ds` is None), and its marker, if it needs one.

    A day without a file is one whose marker declares no rows.
    """

    ds: date | None
    paths: tuple[Path, ...]
    marker: Marker | None = None


def find_deliveries(source: Source, landing: Path, first: date | None, last: date | None) -> list[Delivery]:
    """The deliveries of a feed between two business days, in order; one without a day for bulk history."""
    files = _found(source, landing)
    for path in files:
        _refuse_no_file(path, landing)
    return deliveries_of(files, source, landing, first, last)


def sound_deliveries(source: Source, landing: Path) -> tuple[list[Delivery], list[Path]]:
    """The deliveries of all days, and beside them what `find_deliveries` refuses."""
    files, odd = [], []
    for path in _found(source, landing):
        try:
            _refuse_no_file(path, landing)
            deliveries_of([path], source, landing, None, None)
            files.append(path)
        except NightshiftError:
            odd.append(path)
    return deliveries_of(files, source, landing, None, None), odd


def _found(source: Source, landing: Path) -> list[Path]:
    uri = source.uri.replace(DS, "????-??-??")
    # What `*` finds may be a folder; where a file is named, nothing else may lie.
    is_named = "*" not in Path(uri).name
    return [path for path in landing.glob(uri) if is_named or not path.is_dir()]


def _refuse_no_file(path: Path, landing: Path) -> None:
    name = path.relative_to(landing).as_posix()
    if not path.is_file():
        raise NightshiftError(f"{name}: is a folder, a pipe or a link to nothing; deliver the file itself")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise NightshiftError(f"{name}: its name is no UTF-8; rename it and deliver it again") from None


def deliveries_of(
    files: Iterable[Path], source: Source, folder: Path, first: date | None, last: date | None
) -> list[Delivery]:
    """The deliveries that files below `folder` make up, whether or not they are there yet; markers are no part."""
    if source.complete and source.complete.marker:
        marker = path_pattern(source.complete.marker)
        files = [path for path in files if not marker.fullmatch(path.relative_to(folder).as_posix())]
    if source.is_bulk:
        paths = tuple(sorted(files))
        return [Delivery(None, paths)] if paths else []
    pattern = day_pattern(source.uri)
    by_day: dict[date, list[Path]] = {}
    for path in files:
        match = pattern.match(path.relative_to(folder).as_posix())
        if match:
            ds = _day(match["ds"], path.relative_to(folder))
            if (first is None or ds >= first) and (last is None or ds <= last):
                by_day.setdefault(ds, []).append(path)
    return [Delivery(ds, tuple(sorted(paths))) for ds, paths in sorted(by_day.items())]


def _day(text: str, name: Path) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise NightshiftError(f"{name}: {text} is no day of the calendar; rename or remove the file") from None


def refuse_link_out(path: Path, landing: Path) -> None:
    """Raise `NightshiftError` for a file that only seems to lie below the landing folder."""
    if not path.resolve().is_relative_to(landing.resolve()):
        name = path.relative_to(landing).as_posix()
        raise NightshiftError(f"{name}: it is a link out of the landing folder; deliver the file itself")


def file_stamp(path: Path, landing: Path) -> dict[str, str | int]:
    """A delivered file's name below the landing folder, size and SHA-256."""
    name = path.relative_to(landing).as_posix()
    refuse_link_out(path, landing)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return {"name": name, "bytes": path.stat().st_size, "sha256": sha256}
    except OSError as error:
        raise NightshiftError(f"{name}: cannot be read: {error.strerror}") from None
