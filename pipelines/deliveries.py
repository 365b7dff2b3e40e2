"""What the store delivered: finds the files of a feed and fingerprints them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.errors import NightshiftError
from pipelines.sources import DS, Source, day_pattern


@dataclass(frozen=True)
class Delivery:
    """The files of one business day, or of the bulk history (`ds` is None)."""

    ds: date | None
    paths: tuple[Path, ...]


def find_deliveries(source: Source, landing: Path, first: date | None, last: date | None) -> list[Delivery]:
    """The deliveries of a feed between two business days, in order; one without a day for bulk history."""
    files = [path for path in landing.glob(source.uri.replace(DS, "????-??-??")) if path.is_file()]
    return deliveries_of(files, source, landing, first, last)


def deliveries_of(
    files: Iterable[Path], source: Source, folder: Path, first: date | None, last: date | None
) -> list[Delivery]:
    """The deliveries that files below `folder` make up, whether or not they are there yet."""
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


def file_stamp(path: Path, landing: Path) -> dict[str, str | int]:
    """A delivered file's name below the landing folder, size and SHA-256."""
    name = path.relative_to(landing).as_posix()
    if not path.resolve().is_relative_to(landing.resolve()):
        raise NightshiftError(f"{name}: it is a link out of the landing folder; deliver the file itself")
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return {"name": name, "bytes": path.stat().st_size, "sha256": sha256}
    except OSError as error:
        raise NightshiftError(f"{name}: cannot be read: {error.strerror}") from None
