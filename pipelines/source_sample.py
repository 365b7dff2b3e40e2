"""The first rows of a delivery as a delivery of its own, so that they are read exactly as all of it would be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from glob import escape
from pathlib import Path

import duckdb

from pipelines.delivered_sql import literal
from pipelines.deliveries import DeliveredFile, Delivery, examine
from pipelines.sources import Source
from pipelines.transcode import in_utf8, open_packed
from pipelines.unpacking import plain_chunks


@dataclass(frozen=True)
class Sample:
    """The cut copies, the day of each, and the folder they lie in."""

    files: list[DeliveredFile]
    days: Mapping[Path, date | None]
    folder: Path


def cut_sample(delivery: Delivery, landing: Path, source: Source, folder: Path, rows: int) -> Sample:
    """Copy the first `rows` rows of a delivery, an even share of each of its files, into `folder`.

    Every file is read to its end before, and refused by name unless it is whole.
    """
    days, base = in_utf8(dict.fromkeys(delivery.paths, delivery.ds), landing, source, folder / "utf-8")
    share = max(1, rows // len(days))
    copies: dict[Path, date | None] = {}
    for path, ds in days.items():
        examine(path, base, source)
        copy = folder / "first" / path.relative_to(base)
        copy.parent.mkdir(parents=True, exist_ok=True)
        _cut(path, copy, source.format, share)
        copies[copy] = ds
    first = folder / "first"
    return Sample([examine(copy, first, source) for copy in copies], copies, first)


def _cut(path: Path, copy: Path, format: str, rows: int) -> None:
    if format == "parquet":
        select = f"select * from read_parquet({literal(escape(str(path)))}) limit {rows}"
        duckdb.execute(f"copy ({select}) to {literal(str(copy))} (format parquet)")
        return
    is_csv = format == "csv"
    with open_packed(copy) as file:
        for line in _first_records(plain_chunks(path, path.name), rows + is_csv, is_csv):
            file.write(line)


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
