"""The raw partitions that a build reads: proven to be those of the ledger, and named as dbt reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import duckdb

from pipelines import ledger
from pipelines.delivered_sql import identifier, literal
from pipelines.errors import NightshiftError
from pipelines.feeds import DATE, FEEDS, LINEAGE_COLUMNS, Column
from pipelines.home import Home
from pipelines.ledger import Partition

Stamps = dict[Path, tuple[int, int, int]]


def partition_path(home: Home, part: Partition) -> Path:
    return home.raw / part.feed / f"ds={part.ds}" / "data.parquet"


def verified(home: Home, parts: Sequence[Partition]) -> Stamps:
    """Compare each file with the ledger's SHA-256; returns what `unchanged_since` looks at.

    Raises `NightshiftError` for the first that is not the one the ledger recorded.
    """
    stamps: Stamps = {}
    for part in parts:
        path = partition_path(home, part)
        if not path.exists() or ledger.file_sha256(path) != part.sha256:
            raise not_as_recorded(path, part.feed, part.ds)
        stamps[path] = _stamp(path)
    return stamps


def unchanged_since(home: Home, parts: Sequence[Partition], stamps: Stamps) -> None:
    """Raise `NightshiftError` for the first file that was replaced since it was verified."""
    for part in parts:
        path = partition_path(home, part)
        if not path.exists() or _stamp(path) != stamps[path]:
            raise not_as_recorded(path, part.feed, part.ds)


def refuse_strangers(home: Home, parts: Iterable[Partition], as_of: date) -> None:
    """Raise `NightshiftError` for the first file up to `as_of` that no load of the ledger left."""
    known = {partition_path(home, part) for part in parts}
    for path in home.raw.glob("*/ds=*/data.parquet"):
        if path not in known and path.parent.name <= f"ds={as_of}":
            raise not_recorded(path)


def known_later(home: Home, parts: Sequence[Partition], as_of: date) -> list[tuple[str, date]]:
    """Feed and day of the partitions with rows that become known only after `as_of`: bulk history has them."""
    found: list[tuple[str, date]] = []
    for feed in sorted({part.feed for part in parts if part.is_bulk}):
        bulk = [partition_path(home, part) for part in parts if part.feed == feed and part.is_bulk]
        rows = _read(f"[{', '.join(literal(str(path)) for path in bulk)}]")
        days = duckdb.execute(f"select distinct ds from {rows} where known_on > $1 order by ds", [as_of]).fetchall()
        found += [(feed, ds) for (ds,) in days]
    return found


def relation(home: Home, feed: str, is_present: bool) -> str:
    """The table expression that reads a feed's partitions, or one of the same columns without rows."""
    if not is_present:
        columns = (*FEEDS[feed].columns, *LINEAGE_COLUMNS, Column("ds", DATE))
        return f"(select {', '.join(f'NULL::{col.type} as {identifier(col.name)}' for col in columns)} where false)"
    return _read(literal(str(home.raw / feed / "ds=*" / "data.parquet")))


def not_as_recorded(path: Path, feed: str, ds: object) -> NightshiftError:
    """A partition of the ledger that is gone, or has other bytes."""
    return NightshiftError(
        f"{path} is not what the ledger recorded; load that day again: "
        f"nightshift ingest {feed} --from {ds} --to {ds} --again"
    )


def not_recorded(path: Path) -> NightshiftError:
    """A partition, `raw/<feed>/ds=.../data.parquet`, that the ledger does not know."""
    feed, ds = path.parent.parent.name, path.parent.name.removeprefix("ds=")
    return NightshiftError(
        f"{path} is not in the ledger, as after a load that broke off; load that day again: "
        f"nightshift ingest {feed} --from {ds} --to {ds}, or remove the file"
    )


def _read(files: str) -> str:
    # By name: a partition that an earlier contract wrote may lack a column.
    return f"read_parquet({files}, union_by_name=true, hive_partitioning=true, hive_types={{'ds': DATE}})"


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
