"""The files a store delivers, one per feed and day: Parquet, or gzipped CSV and for the clickstream JSON Lines.

The bytes are a function of the rows alone: the gzip header holds no name and no time.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.simulate import text
from pipelines.simulate.streams import Ints
from pipelines.simulate.typed import typed

TEXT, PARQUET = "text", "parquet"
FORMATS = (TEXT, PARQUET)
# The only columns whose text can hold a comma or a quote; what else is written needs no escape.
QUOTED_COLUMNS = frozenset({"title", "attributes"})
RAW_IN_JSON = frozenset({"quantity", "unit_price"})
GZIP_HEADER = 16
# A character for private use, written as an e with an acute accent in Latin-1: no UTF-8 before a delimiter.
NOT_UTF8 = "\ue000"
LATIN_1 = b"\xe9"


@dataclass(frozen=True)
class Drop:
    """The rows to deliver, the truth about the broken ones, and what happens to lines and the file.

    The rows in `surplus` get a field too many, the lines of those in `cut` end in the middle (text only); of the
    file only the share `left` arrives.
    """

    table: pa.Table
    injected: dict[str, pa.Array]
    surplus: Ints
    cut: Ints
    left: float = 1.0

    @property
    def rows(self) -> int:
        return len(self.table) if self.left == 1 else 0


def format_of(feed: str, format: str) -> str:
    """The format of the feed's files, by its name in sources.yml."""
    if format == PARQUET:
        return PARQUET
    return "jsonl" if feed == "events" else "csv"


def header_lines(feed: str, format: str) -> int | None:
    """How many lines stand before the first row; None where there are no lines."""
    return {"csv": 1, "jsonl": 0, PARQUET: None}[format_of(feed, format)]


def name(feed: str, ds: str, format: str) -> str:
    """The file name of a feed's drop; `ds` may be a pattern."""
    return f"{ds}.parquet" if format == PARQUET else f"{ds}.{format_of(feed, format)}.gz"


def path(landing: Path, feed: str, ds: str, format: str) -> Path:
    return landing / feed / name(feed, ds, format)


def write(target: Path, feed: str, drop: Drop, format: str) -> None:
    """Write one drop, beside and renamed."""
    content = _parquet(typed(feed, drop.table)) if format == PARQUET else _gzipped(_plain(feed, drop))
    _put(target, content[: max(1, int(len(content) * drop.left))])


def _put(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".part")
    beside.write_bytes(content)
    beside.replace(target)


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _gzipped(plain: str) -> bytes:
    squeeze = zlib.compressobj(level=1, wbits=zlib.MAX_WBITS + GZIP_HEADER)
    return squeeze.compress(plain.encode().replace(NOT_UTF8.encode(), LATIN_1)) + squeeze.flush()


def _plain(feed: str, drop: Drop) -> str:
    return _json_lines(drop) if feed == "events" else _csv(drop)


def _csv_lines(table: pa.Table) -> list[str]:
    """The header, and a line each row."""
    columns = [
        _quoted(text.column(table, name)) if name in QUOTED_COLUMNS else text.column(table, name)
        for name in table.column_names
    ]
    lines = pc.binary_join_element_wise(*columns, ",", null_handling="replace", null_replacement="").to_pylist()
    return [",".join(table.column_names), *lines]


def _csv(drop: Drop) -> str:
    lines = _csv_lines(drop.table)
    for row in drop.surplus:
        lines[row + 1] += ",surplus"
    for row in drop.cut:
        lines[row + 1] = _half(lines[row + 1])
    return "\n".join([*lines, ""])


def _half(line: str) -> str:
    """The line cut in the middle: a column too few, and no quotation mark left open that would swallow others."""
    half = line[: min(len(line) // 2, line.rindex(","))]
    return half[: half.rindex('"')] if half.count('"') % 2 else half


def _quoted(values: pa.Array) -> pa.Array:
    return text.joined('"', pc.replace_substring(values, '"', '""'), '"')


def _json_lines(drop: Drop) -> str:
    """One object a line, without the missing fields. A number that is none is delivered as a string."""
    fields = []
    for name in drop.table.column_names:
        values = text.column(drop.table, name)
        if values.null_count == len(values):
            continue
        quoted = text.joined(f'"{name}":"', values, '"')
        if name in RAW_IN_JSON:
            is_number = np.asarray(pc.match_substring_regex(values, r"^[-0-9.]*$").fill_null(False))
            fields.append(text.either(is_number, text.joined(f'"{name}":', values), quoted))
        else:
            fields.append(quoted)
    if not fields:
        return ""
    lines = text.joined("{", pc.binary_join_element_wise(*fields, ",", null_handling="skip"), "}").to_pylist()
    for row in drop.cut:
        lines[row] = lines[row][: len(lines[row]) // 2]
    return "\n".join([*lines, ""])
