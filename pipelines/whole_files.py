"""Proves each delivered file whole before any of it is loaded, and lays it out as DuckDB reads it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipelines.errors import NightshiftError
from pipelines.masking import shown
from pipelines.parquet_pages import examine_parquet
from pipelines.plain_text import is_plain, utf8_chunks
from pipelines.sources import Source
from pipelines.unpacking import CHUNK

_LINE_END, _RETURN = ord("\n"), ord("\r")
_FIRST_LINES = 30


@dataclass(frozen=True)
class DeliveredFile:
    """One whole file: where its content lies in plain UTF-8 (or as Parquet), its columns (of JSON Lines the fields
    of its first lines), and for text its shape: CSV header, number of line ends, of them empty lines."""

    path: Path
    header: tuple[str, ...] = ()
    newlines: int = 0
    empty_lines: int = 0
    columns: tuple[str, ...] = ()


def examine(path: Path, landing: Path, source: Source, copies: Path) -> DeliveredFile:
    """Read a file to its end and refuse it by name unless it is whole.

    DuckDB loads a truncated gzip file without complaint, so the archive is tested here before it is parsed; a
    text file must end with a newline, since a line cut inside a number reads as a valid row. What is packed, or in
    another encoding, is unpacked on the way into `copies` under its own name, so that it is unpacked once.
    """
    name = path.relative_to(landing)
    if source.format == "parquet":
        return DeliveredFile(path, columns=examine_parquet(path, name.as_posix()))
    chunks = utf8_chunks(path, name.as_posix(), source.encoding)
    if is_plain(path, source.encoding):
        return text_shape(path, name.as_posix(), source, chunks, None)
    copy = copies / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    with copy.open("wb") as file:
        return text_shape(copy, name.as_posix(), source, chunks, file)


def text_shape(path: Path, name: str, source: Source, chunks: Iterable[bytes], copy: IO[bytes] | None) -> DeliveredFile:
    """What the plain text of `path` is made of, which `chunks` go through; they are written to `copy` if there is one.

    Raises `NightshiftError` for a text that does not end with a newline or, as CSV, has no header.
    """
    newlines, empty, tail, start = 0, 0, b"", b""
    for chunk in chunks:
        if copy:
            copy.write(chunk)
        if len(start) < CHUNK:
            start += chunk
        in_chunk, empty_in_chunk = _line_ends(tail, chunk)
        newlines, empty = newlines + in_chunk, empty + empty_in_chunk
        tail = (tail + chunk)[-2:]
    if start and tail[-1:] != b"\n":
        raise NightshiftError(f"{name}: does not end with a newline, so it was cut short; deliver it again")
    if source.format == "jsonl":
        return DeliveredFile(path, (), newlines, empty, _first_fields(start))
    header = csv_header(start, name, source.delimiter)
    return DeliveredFile(path, header, newlines, empty, header)


def _line_ends(tail: bytes, chunk: bytes) -> tuple[int, int]:
    """The line ends in a chunk behind the text's last two bytes, and how many of them end an empty line."""
    import numpy as np

    text = np.frombuffer(tail + chunk, np.uint8)
    places = np.flatnonzero(text == _LINE_END)
    lengths = np.diff(places)
    ends_empty = (lengths == 1) | ((lengths == 2) & (text[places[1:] - 1] == _RETURN))
    before = int(np.count_nonzero(places < len(tail)))
    return len(places) - before, int(np.count_nonzero(ends_empty[max(0, before - 1) :]))


def _first_fields(start: bytes) -> tuple[str, ...]:
    fields: dict[str, None] = {}
    for line in start.split(b"\n", _FIRST_LINES)[:_FIRST_LINES]:
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
