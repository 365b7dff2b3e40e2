"""Proves a Parquet file whole: DuckDB alone reads a flipped bit as another value, and checks no page's checksum.

Every page of every column is decoded by pyarrow, which compares the checksum of a page where its writer wrote one.
Without checksums a flipped bit in a page's values can be another valid value: no reader can tell. A delivery that
declares its SHA-256 (`complete` in sources.yml) leaves no such gap.
"""

from __future__ import annotations

from glob import escape
from pathlib import Path

import duckdb

from pipelines.errors import NightshiftError
from pipelines.unpacking import Bounds

_ROWS = 8_192
_LENGTHS = 1 << 16
_LENGTH_OF = {"VARCHAR": "coalesce(strlen(#{}), 0)", "BLOB": "coalesce(octet_length(#{}), 0)"}


def examine_parquet(path: Path, name: str) -> tuple[str, ...]:
    """The file's columns. Raises `NightshiftError` naming a file that is damaged or unpacks without end."""
    import pyarrow as pa

    try:
        columns = _bounded_columns(path, name)
        _decode(path, name)
    except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise NightshiftError(f"{name}: no whole Parquet file: {reason}; ask for it to be delivered again") from None
    return columns


def _bounded_columns(path: Path, name: str) -> tuple[str, ...]:
    """The columns, once their text is known to be of bounded length.

    A long text that a page holds once may stand in millions of rows: its length is told without copying it.
    """
    bounds = Bounds(path, name)
    this_file = {"path": escape(str(path))}
    with duckdb.connect() as connection:
        described = connection.execute("describe from read_parquet($path)", this_file).fetchall()
        kinds = [row[1] for row in described]
        measured = [_LENGTH_OF[kind].format(place) for place, kind in enumerate(kinds, 1) if kind in _LENGTH_OF]
        if measured:
            select = f"select {' + '.join(measured)} as bytes from read_parquet($path)"
            for batch in connection.execute(select, this_file).to_arrow_reader(_LENGTHS):
                bounds.add(int(batch.column(0).to_numpy().sum()))
    return tuple(row[0] for row in described)


def _decode(path: Path, name: str) -> None:
    import pyarrow.parquet as pq

    bounds = Bounds(path, name)
    with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
        for batch in file.iter_batches(_ROWS, use_threads=False):
            bounds.add(batch.nbytes)
