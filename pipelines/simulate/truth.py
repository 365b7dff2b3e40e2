"""What is hidden from the pipeline: the store's truth as Parquet, written as the days go by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 100_000


class TruthTable:
    """One Parquet file, appended day by day; it appears under its name when closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(path.name + ".part")
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, columns: Mapping[str, Any]) -> None:
        self._waiting.append(pa.table(dict(columns)))
        self._rows += len(self._waiting[-1])
        if self._rows >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        table = pa.concat_tables(self._waiting).combine_chunks()
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._beside, table.schema)
        self._writer.write_table(table)
        self._waiting, self._rows = [], 0

    def close(self) -> None:
        if self._waiting:
            self._flush()
        if self._writer is not None:
            self._writer.close()
            self._beside.replace(self._path)
