"""What a file of an unknown store looks like: format, dialect, columns and a few values of each."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb

from pipelines.errors import NightshiftError
from pipelines.sources import UTF_8
from pipelines.unpacking import plain_chunks
from pipelines.whole_files import csv_header

_ROWS = 500
# More than of CSV: a field may be absent from most lines.
_JSON_LINES = 5_000
_HEAD_BYTES = 1 << 20
_PARQUET = b"PAR1"
_DELIMITERS = (",", ";", "\t", "|", ":")
_Path = tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """`values` holds the texts of the first rows, without empty ones, by the path of names to each column."""

    path: Path
    format: str
    values: Mapping[_Path, Sequence[str]]
    delimiter: str = ","
    encoding: str = UTF_8


def profile(path: Path) -> Profile:
    """Look at a file's first rows. Raises `NightshiftError` naming a file that is none of the known formats."""
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == _PARQUET
    except OSError as error:
        raise NightshiftError(f"{path}: cannot be read: {error.strerror}") from None
    if is_parquet:
        return Profile(path, "parquet", _parquet_values(path))
    head = _head(path)
    encoding = _encoding(head)
    lines = head.decode({UTF_8: "utf-8-sig"}.get(encoding, encoding), errors="replace")
    lines = lines[: lines.rfind("\n") + 1]
    if lines.lstrip().startswith("{"):
        return Profile(path, "jsonl", _json_values(lines))
    delimiter = _delimiter(lines)
    return Profile(path, "csv", _csv_values(lines, path.name, delimiter), delimiter, encoding)


def _head(path: Path) -> bytes:
    head = b""
    for chunk in plain_chunks(path, path.name):
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    return head


def _encoding(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head[:2]:
        return "utf-16"
    try:
        # A character that the end of the head cuts is no fault of the file.
        head[: head.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError:
        return "windows-1252" if re.search(rb"[\x80-\x9f]", head) else "latin-1"
    return UTF_8


def _delimiter(lines: str) -> str:
    """DuckDB's guess; it may guess what no delimiter can be, where a file has one column only."""
    with NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as file:
        file.write(lines)
        file.flush()
        try:
            found = duckdb.execute(
                "select Delimiter from sniff_csv($path, header=true, quote='\"', strict_mode=false)",
                {"path": file.name},
            ).fetchall()[0][0]
        except duckdb.Error:
            return ","
    return found if found in _DELIMITERS else ","


def _csv_values(lines: str, name: str, delimiter: str) -> dict[_Path, list[str]]:
    header = csv_header(lines.encode(), name, delimiter)
    values: dict[_Path, list[str]] = {(column,): [] for column in header}
    rows = csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter)
    next(rows)
    for row, _ in zip(rows, range(_ROWS), strict=False):
        _add(values, {(column,): value for column, value in zip(header, row, strict=False)})
    return values


def _json_values(lines: str) -> dict[_Path, list[str]]:
    values: dict[_Path, list[str]] = {}
    for line in lines.splitlines()[:_JSON_LINES]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            _add(values, _fields(record, ()))
    return values


def _fields(record: Mapping[str, Any], above: _Path) -> dict[_Path, str]:
    """The fields of an object, of objects within it as well, and each of these objects as a whole."""
    found: dict[_Path, str] = {}
    for name, value in record.items():
        path = (*above, name)
        found[path] = value if isinstance(value, str) else "" if value is None else json.dumps(value)
        if isinstance(value, dict):
            found |= _fields(value, path)
    return found


def _parquet_values(path: Path) -> dict[_Path, list[str]]:
    try:
        cursor = duckdb.execute("select columns(*)::VARCHAR from read_parquet($path) limit 500", {"path": str(path)})
        header = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall()
    except duckdb.Error as error:
        raise NightshiftError(f"{path.name}: no whole Parquet file: {str(error).splitlines()[0]}") from None
    values: dict[_Path, list[str]] = {(column,): [] for column in header}
    for row in rows:
        _add(values, {(column,): value or "" for column, value in zip(header, row, strict=True)})
    return values


def _add(values: dict[_Path, list[str]], row: Mapping[_Path, str]) -> None:
    for column, value in row.items():
        values.setdefault(column, [])
        if value.strip():
            values[column].append(value.strip())
