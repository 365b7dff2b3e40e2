"""Rows and files broken on purpose, and the record of which was broken how."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.feeds import FEEDS
from pipelines.simulate import drops, faults, text
from pipelines.simulate.drops import Drop
from pipelines.simulate.faults import Way
from pipelines.simulate.streams import Ints

# Whole files are cut this much more rarely than rows are broken: one takes all rows of its day along.
ROWS_PER_FILE_CUT = 20
SHARES_LEFT = (0.1, 0.9)
REPEATED = (faults.DUPLICATE_ROW, faults.CONFLICTING_ROW)


def shares_left(rng: np.random.Generator, share: float) -> dict[str, float]:
    """What share of its bytes arrives of each feed's file of a day: 1 unless the file is cut short."""
    is_cut = rng.random(len(FEEDS)) < share / ROWS_PER_FILE_CUT
    left = rng.uniform(*SHARES_LEFT, len(FEEDS))
    return dict(zip(FEEDS, np.where(is_cut, left, 1.0).tolist(), strict=True))


def spoil(
    rng: np.random.Generator, share: float, feed: str, ds: str, table: pa.Table, format: str, left: float
) -> Drop:
    """Break each row with probability `share`, in one way each; what comes a second time comes at the end.

    Of a file that is cut short (`left` below 1) only that is recorded, since none of its rows can be read.
    """
    possible = faults.ways(feed, format)
    broken, way = _choose(rng, share, possible, len(table))
    kind = np.array([each.kind for each in possible])[way]
    is_repeated = np.isin(kind, REPEATED)
    again = broken[is_repeated]
    place = broken.copy()
    place[is_repeated] = len(table) + np.arange(len(again))
    delivered = pa.concat_tables([table, table.take(pa.array(again))]) if len(again) else table
    for number in np.unique(way):
        delivered = _changed(delivered, possible[number], place[way == number])
    injected = _record(feed, ds, format, _key(feed, table.take(pa.array(broken))), [possible[n] for n in way], place)
    if left < 1:
        injected = _record(feed, ds, format, text.words([""]), [Way(faults.FILE_CUT_SHORT)], None)
    surplus, cut = (place[kind == of_line] for of_line in (faults.WRONG_COLUMN_COUNT, faults.TRUNCATED_LINE))
    return Drop(delivered, injected, surplus, cut, left)


def _choose(rng: np.random.Generator, share: float, possible: tuple[Way, ...], size: int) -> tuple[Ints, Ints]:
    """The rows to break, and how: first the kind, all alike, then where and with what."""
    broken = np.flatnonzero(rng.random(size) < share)
    _, first, count = np.unique([way.kind for way in possible], return_index=True, return_counts=True)
    kind = rng.integers(len(first), size=len(broken))
    return broken, first[kind] + rng.integers(count[kind])


def _changed(table: pa.Table, way: Way, rows: Ints) -> pa.Table:
    if way.column is None:
        return table
    where = np.zeros(len(table), dtype=bool)
    where[rows] = True
    values = text.column(table, way.column)
    if way.kind == faults.BAD_ENCODING:
        values = text.either(where, text.joined(values.fill_null(""), drops.NOT_UTF8), values)
    else:
        values = text.replaced(values, where, way.value)
    return text.changed(table, {way.column: values})


def _record(feed: str, ds: str, format: str, key: pa.Array, how: list[Way], place: Ints | None) -> dict[str, pa.Array]:
    """The truth: `key` is as it was, its parts joined by "|"; `line` is that of the broken row in its file."""
    header = drops.header_lines(feed, format)
    line = pa.nulls(len(how), pa.int64()) if place is None or header is None else pa.array(place + header + 1)
    return {
        "feed": text.constant(feed, len(how)),
        "ds": text.constant(ds, len(how)),
        "key": key,
        "kind": text.words([way.kind for way in how]),
        "line": line,
        "column": text.words([way.column for way in how]),
    }


def _key(feed: str, table: pa.Table) -> pa.Array:
    separated = [piece for name in FEEDS[feed].key for piece in ("|", text.column(table, name).fill_null(""))]
    return text.joined(*separated[1:])
