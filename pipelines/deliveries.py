"""What the store delivered: finds the files of a feed, proves them whole and fingerprints them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import IO, cast

import duckdb
import zstandard

from pipelines.errors import NightshiftError
from pipelines.masking import shown
from pipelines.sources import DS, Source, day_pattern

_CHUNK = 1 << 20
_EMPTY_LINE = re.compile(rb"\n(?=\r?\n)")
_MAX_RATIO = 200
# Small, because a run of one byte unpacks to thirty thousand times its size at once.
_ZSTD_CHUNK = 4 << 10
_MAX_PLAIN_BYTES = 64 << 20
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


def examine(path: Path, landing: Path, source: Source) -> DeliveredFile:
    """Read a file to its end and refuse it by name unless it is whole.

    DuckDB loads a truncated gzip file without complaint, so the archive is tested here before it is parsed; a
    text file must end with a newline, since a line cut inside a number reads as a valid row.
    """
    name = path.relative_to(landing).as_posix()
    if source.format == "parquet":
        return DeliveredFile(path, columns=_examine_parquet(path, name))
    return _examine_text(path, name, source)


def _examine_parquet(path: Path, name: str) -> tuple[str, ...]:
    try:
        columns = duckdb.execute("select * from read_parquet($path) limit 0", {"path": str(path)}).description
        return tuple(column[0] for column in columns or ())
    except duckdb.Error as error:
        raise NightshiftError(f"{name}: no whole Parquet file: {str(error).splitlines()[0]}") from None


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


def plain_chunks(path: Path, name: str) -> Iterator[bytes]:
    """A text file's bytes, unpacked. Raises `NightshiftError` naming a file that is damaged or unpacks without end."""
    total = 0
    try:
        for chunk in _unpacked(path):
            total += len(chunk)
            if total > max(_MAX_PLAIN_BYTES, path.stat().st_size * _MAX_RATIO):
                raise NightshiftError(f"{name}: unpacks to more than {_MAX_RATIO} times its size; refused as a bomb")
            yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError, OSError) as error:
        raise NightshiftError(f"{name}: damaged archive ({error}); ask for it to be delivered again") from None


def _unpacked(path: Path) -> Iterator[bytes]:
    if path.suffix in (".zst", ".zstd"):
        yield from _zstd_chunks(path)
        return
    with cast(IO[bytes], gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")) as file:
        yield from iter(partial(file.read, _CHUNK), b"")


def _zstd_chunks(path: Path) -> Iterator[bytes]:
    """Frame by frame, since the library's reader takes a frame that breaks off for the end of the file."""
    frame = None
    with path.open("rb") as file:
        for data in iter(partial(file.read, _ZSTD_CHUNK), b""):
            rest = data
            while rest:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(rest)
                rest = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    if frame is not None:
        raise EOFError("its last frame breaks off")


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
        raise NightshiftError(f"{name}: its header names a column twice or not at all: {shown(','.join(header))}")
    return header
