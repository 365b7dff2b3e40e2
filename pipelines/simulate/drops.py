"""The files a store delivers: gzipped CSV, and JSON Lines for the clickstream, one per feed and day.

The bytes are a function of the rows alone: the gzip header holds no name and no time.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate import text
from pipelines.simulate.streams import Bools

# The only columns whose text can hold a comma or a quote; what else is written needs no escape.
QUOTED_COLUMNS = frozenset({"title", "attributes"})
RAW_IN_JSON = frozenset({"quantity", "unit_price"})
GZIP_HEADER = 16


def format_of(feed: str) -> str:
    return "jsonl" if feed == "events" else "csv"


def name(feed: str, ds: str) -> str:
    """The file name of a feed's drop; `ds` may be a pattern."""
    return f"{ds}.{format_of(feed)}.gz"


def path(landing: Path, feed: str, ds: str) -> Path:
    return landing / feed / name(feed, ds)


def write(target: Path, feed: str, table: pa.Table, surplus: Bools) -> None:
    """Write one drop, beside and renamed; the rows in `surplus` get a field too many (CSV only)."""
    text_of_drop = _json_lines(table) if feed == "events" else _csv(table, surplus)
    squeeze = zlib.compressobj(level=1, wbits=zlib.MAX_WBITS + GZIP_HEADER)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".part")
    beside.write_bytes(squeeze.compress(text_of_drop.encode()) + squeeze.flush())
    beside.replace(target)


def _csv(table: pa.Table, surplus: Bools) -> str:
    columns = [
        _quoted(text.column(table, name)) if name in QUOTED_COLUMNS else text.column(table, name)
        for name in table.column_names
    ]
    lines = pc.binary_join_element_wise(*columns, ",", null_handling="replace", null_replacement="")
    if surplus.any():
        lines = text.either(surplus, text.joined(lines, ",surplus"), lines)
    return "\n".join([",".join(table.column_names), *lines.to_pylist(), ""])


def _quoted(values: pa.Array) -> pa.Array:
    return text.joined('"', pc.replace_substring(values, '"', '""'), '"')


def _json_lines(table: pa.Table) -> str:
    """One object a line, without the missing fields. A number that is none is delivered as a string."""
    fields = []
    for name in table.column_names:
        values = text.column(table, name)
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
    objects = text.joined("{", pc.binary_join_element_wise(*fields, ",", null_handling="skip"), "}\n")
    return "".join(objects.to_pylist())
