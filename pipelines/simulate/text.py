"""Columns of text as stores deliver them, made column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.feeds import FEEDS, TOMBSTONE
from pipelines.simulate.streams import Bools, Ints


def words(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def constant(value: str, size: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), size)


def joined(*pieces: pa.Array | str) -> pa.Array:
    """Pieces put together row by row; nothing where any of them is missing."""
    return pc.binary_join_element_wise(*pieces, "")


def only(values: pa.Array, present: Bools) -> pa.Array:
    """The values where `present`, else missing."""
    return pc.if_else(pa.array(present), values, pa.scalar(None, pa.string()))


def replaced(values: pa.Array, where: Bools, value: str | None) -> pa.Array:
    return pc.if_else(pa.array(where), pa.scalar(value, pa.string()), values)


def either(is_first: Bools, first: pa.Array, second: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(is_first), first, second)


def picked(values: pa.Array, index: Ints, present: Bools | None = None) -> pa.Array:
    return values.take(pa.array(index, mask=None if present is None else ~present))


def chosen(names: Sequence[str | None], index: Ints) -> pa.Array:
    return picked(words(names), index)


def whole(numbers: Ints) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def numbered(prefix: str, numbers: Ints, width: int) -> pa.Array:
    return joined(prefix, pc.utf8_lpad(whole(numbers), width=width, padding="0"))


def decimal(units: Ints, places: int) -> pa.Array:
    """Non-negative numbers given in units of 10^-places: 1299 with 2 places is "12.99"."""
    power = 10**places
    return joined(whole(units // power), ".", pc.utf8_lpad(whole(units % power), width=places, padding="0"))


def instants(seconds: Ints) -> pa.Array:
    return pa.array(np.datetime_as_string(seconds.astype("datetime64[s]"), timezone="UTC"))


def truths(values: Bools) -> pa.Array:
    return pa.array(values).cast(pa.string())


def by_row(which: Ints, *options: pa.Array) -> pa.Array:
    """Row by row the value of the option that `which` names."""
    return pc.choose(pa.array(which), *options)


def column(table: pa.Table, name: str) -> pa.Array:
    return table[name].combine_chunks()


def delivered_columns(feed: str) -> tuple[str, ...]:
    """The contract's columns that the store delivers: it never deletes a row."""
    return tuple(name for name in FEEDS[feed].column_names if name != TOMBSTONE)


def rows(feed: str, columns: Mapping[str, pa.Array]) -> pa.Table:
    """A table of the feed's contract columns, those not given left empty."""
    size = len(next(iter(columns.values())))
    empty = pa.nulls(size, pa.string())
    return pa.table({name: columns.get(name, empty) for name in delivered_columns(feed)})


def changed(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table


def nothing(feed: str) -> pa.Table:
    """The feed's columns without a row."""
    return pa.table({name: pa.array([], pa.string()) for name in delivered_columns(feed)})
