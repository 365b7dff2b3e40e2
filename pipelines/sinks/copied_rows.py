"""Rows as the CSV that COPY reads: every value as text in quotation marks, null as nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator

import duckdb
import pyarrow.csv

_ROWS = 20_000


def csv_chunks(files: duckdb.DuckDBPyConnection, select: str) -> Iterator[bytes]:
    """What DuckDB selects, some thousand rows a chunk."""
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    batches = files.execute(f"select columns(*)::varchar from ({select})").to_arrow_reader(_ROWS)
    for batch in batches:
        text = io.BytesIO()
        pyarrow.csv.write_csv(batch, text, options)
        yield text.getvalue()
