"""What the store delivered: finds the files of a feed, proves them whole and fingerprints them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.errors import NightshiftError
from pipelines.parquet_pages import examine_parquet
from pipelines.sources import Source
from pipelines.unpacking import plain_chunks
from pipelines.uris import DS, day_pattern, path_pattern

_CHUNK = 1 << 20
_EMPTY_LINE = re.compile(rb"\n(?=\r?\n)")
_FIRST_LINES = 100


@dataclass(frozen=True)
class DeliveredFile:
    """One whole file: its path, its columns (of JSON Lines the fields of its first lines), and for text its shape:
    CSV header, number of line ends, of them empty lines."""

    path: Path
    header: tuple[str, ...] = ()
    newlines: int = 0
    empty_lines: int = 0
    columns: tuple[str, ...] = ()


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
    uri = source.uri.replace(DS, "????-??-??")
    # What `*` finds may be a folder; where a file is named, nothing else may lie.
    is_named = "*" not in Path(uri).name
    files = [path for path in landing.glob(uri) if is_named or not path.is_dir()]
    for path in files:
        _refuse_no_file(path, landing)
    return deliveries_of(files, source, landing, first, last)


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


def examine(path: Path, landing: Path, source: Source) -> DeliveredFile:
    """Read a file to its end and refuse it by name unless it is whole.

    DuckDB loads a truncated gzip file without complaint, so the archive is tested here before it is parsed; a
    text file must end with a newline, since a line cut inside a number reads as a valid row.
    """
    name = path.relative_to(landing).as_posix()
    if source.format == "parquet":
        return DeliveredFile(path, columns=examine_parquet(path, name))
    return _examine_text(path, name, source)


def _examine_text(path: Path, name: str, source: Source) -> DeliveredFile:
    newlines, empty, tail, start = 0, 0, b"", b""
    for chunk in plain_chunks(path, name):
        if len(start) < _CHUNK:
            start += chunk
        newlines += chunk.count(b"\n")
        empty += len(_EMPTY_LINE.findall(tail + chunk))
        tail = chunk[-2:] if chunk[-1:] == b"\r" else chunk[-1:]
    if start and tail[-1:] != b"\n":
        raise NightshiftError(f"{name}: does not end with a newline, so it was cut short; deliver it again")
    if source.format == "jsonl":
        return DeliveredFile(path, (), newlines, empty, _first_fields(start))
    header = csv_header(start, name, source.delimiter)
    return DeliveredFile(path, header, newlines, empty, header)


def _first_fields(start: bytes) -> tuple[str, ...]:
    fields: dict[str, None] = {}
    for line in start[:_CHUNK].splitlines()[:_FIRST_LINES]:
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            fields |= dict.fromkeys(record if isinstance(record, dict) else ())
    return tuple(fields)


def csv_header(start: bytes, name: str, delimiter: str) -> tuple[str, ...]:
    if not start:
        raise NightshiftError(f"{name}: is empty; a day without rows still carries the header line")
    try:
        text = start.decode("utf-8-sig", errors="replace")
        header = tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)))
    except (csv.Error, StopIteration):
        raise NightshiftError(f"{name}: its first line is no CSV header") from None
    if len({name.lower() for name in header}) != len(header) or not all(header):
        raise NightshiftError(f"{name}: its header names a column twice or not at all: {','.join(header)}")
    return header
