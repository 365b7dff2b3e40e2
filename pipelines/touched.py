"""The business dates that a load touches: those an incremental build has to make anew.

They are the dates of the rows that a day brings and of those it replaces. A tombstone often has no date but that of
its delivery, and what it deletes has others: so the dates of all that `raw/` holds of its key belong to it, also when
the tombstone itself is taken back. What is not loaded yet cannot be known; it touches its own dates when it comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb

from pipelines import ledger
from pipelines.delivered_sql import identifier, literal
from pipelines.feeds import TOMBSTONE, Feed
from pipelines.ledger import Partition


def touched_dates(
    connection: duckdb.DuckDBPyConnection, feed: Feed, raw: Path, held: Mapping[date, Partition], days: Sequence[date]
) -> dict[date, list[str]]:
    """For each day of the table `accepted` its dates, in order.

    `raw` is the feed's folder before the load, `held` what the ledger says of it: a partition that is not the ledger's
    is not read, and its dates are those that the ledger has.
    """
    touched = {day: set[str]() for day in days}
    replaced = ""
    for day in days:
        if path := _intact(raw, held, day):
            replaced += f" union all by name select DATE '{day}' as ds, * from {_read([path])}"
        elif day in held:
            touched[day].update(held[day].touched)
    # The columns that are read here stand in `accepted`; a partition of an older contract may lack some.
    connection.execute(f"create temp view touching as from accepted{replaced}")
    for ds, business_date in connection.execute("select distinct ds, business_date from touching").fetchall():
        touched[ds].add(str(business_date))
    if feed.has_tombstones and held:
        _add_deleted(connection, feed, raw, held, touched)
    return {day: sorted(dates) for day, dates in touched.items()}


def _add_deleted(
    connection: duckdb.DuckDBPyConnection,
    feed: Feed,
    raw: Path,
    held: Mapping[date, Partition],
    touched: Mapping[date, set[str]],
) -> None:
    """The dates of what tombstones delete; history is read only if there are any.

    What a damaged partition holds of their keys is not known, so all its dates are theirs.
    """
    (key,) = (identifier(name) for name in feed.key)
    connection.execute(f"create temp table deleted as select distinct ds, {key} from touching where {TOMBSTONE}")
    days = [ds for (ds,) in connection.execute("select distinct ds from deleted").fetchall()]
    if not days:
        return
    intact = {day: path for day in held if (path := _intact(raw, held, day))}
    for ds in days:
        touched[ds].update(day for damaged in held.keys() - intact.keys() for day in held[damaged].touched)
    if intact:
        rows = f"(select {key}, business_date from {_read(intact.values())})"
        for ds, business_date in connection.execute(
            f"select distinct deleted.ds, held.business_date from {rows} as held join deleted using ({key})"
        ).fetchall():
            touched[ds].add(str(business_date))


def _intact(raw: Path, held: Mapping[date, Partition], day: date) -> Path | None:
    path = raw / f"ds={day}" / "data.parquet"
    is_intact = day in held and path.exists() and ledger.file_sha256(path) == held[day].sha256
    return path if is_intact else None


def _read(paths: Iterable[Path]) -> str:
    listed = ", ".join(literal(str(path)) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning=false)"
