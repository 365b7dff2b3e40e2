"""The first rows of a delivery as a delivery of its own, so that they are read exactly as all of it would be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from glob import escape
from pathlib import Path

import duckdb

from pipelines.delivered_sql import literal
from pipelines.deliveries import Delivery
from pipelines.sources import Source
from pipelines.unpacking import CHUNK
from pipelines.whole_files import DeliveredFile, examine, text_shape


@dataclass(frozen=True)
class Sample:
    """The cut copies with the day of each, and the folder they lie in."""

    files: Mapping[DeliveredFile, date | None]
    folder: Path


def cut_sample(delivery: Delivery, landing: Path, source: Source, folder: Path, rows: int) -> Sample:
    """Copy the first `rows` rows of a delivery, an even share of each of its files, into `folder`.

    Every file is read to its end before, and refused by name unless it is whole.
    """
    share = max(1, rows // len(delivery.paths))
    first = folder / "first"
    cut: dict[DeliveredFile, date | None] = {}
    for path in delivery.paths:
        whole = examine(path, landing, source, folder / "plain")
        copy = first / path.relative_to(landing)
        copy.parent.mkdir(parents=True, exist_ok=True)
        cut[_cut(whole, copy, source, share)] = delivery.ds
    return Sample(cut, first)


def _cut(whole: DeliveredFile, copy: Path, source: Source, rows: int) -> DeliveredFile:
    if source.format == "parquet":
        select = f"select * from read_parquet({literal(escape(str(whole.path)))}) limit {rows}"
        duckdb.execute(f"copy ({select}) to {literal(str(copy))} (format parquet)")
        return replace(whole, path=copy)
    is_csv = source.format == "csv"
    with whole.path.open("rb") as file, copy.open("wb") as target:
        records = _first_records(iter(partial(file.read, CHUNK), b""), rows + is_csv, is_csv)
        return text_shape(copy, copy.name, source, records, target)


def _first_records(chunks: Iterable[bytes], count: int, is_quoted: bool) -> Iterator[bytes]:
    """Lines up to the end of the record; a line end between quotation marks ends none."""
    rest, is_open = b"", False
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
            is_open ^= is_quoted and line.count(b'"') % 2 == 1
            count -= not is_open
            if count == 0:
                return
