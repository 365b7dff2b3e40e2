"""The business dates that a load touches: those an incremental build has to make anew.

They are the dates of the rows that a day brings and of those it replaces. A tombstone often has no date but that of
its delivery, and what it deletes has others: so the dates of all that `raw/` holds of its key belong to it, also when
the tombstone itself is taken back. What is not loaded yet cannot be known; it touches its own dates when it comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        path = raw / f"ds={day}" / "data.parquet"
        if day in held and path.exists() and ledger.file_sha256(path) == held[day].sha256:
            replaced += f" union all by name select DATE '{day}' as ds, * from {_read(path)}"
        elif day in held:
            touched[day].update(held[day].touched)
    # The columns that are read here stand in `accepted`; a partition of an older contract may lack some.
    connection.execute(f"create temp view touching as from accepted{replaced}")
    for ds, business_date in connection.execute(
        f"select distinct ds, business_date from touching {_of_deleted(connection, feed, raw)}"
    ).fetchall():
        touched[ds].add(str(business_date))
    return {day: sorted(dates) for day, dates in touched.items()}


def _of_deleted(connection: duckdb.DuckDBPyConnection, feed: Feed, raw: Path) -> str:
    """The dates of what tombstones delete; history is read only if there are any."""
    if not feed.has_tombstones or not any(raw.glob("ds=*/data.parquet")):
        return ""
    (key,) = (identifier(name) for name in feed.key)
    connection.execute(f"create temp table deleted as select distinct ds, {key} from touching where {TOMBSTONE}")
    if connection.execute("select count(*) from deleted").fetchall() == [(0,)]:
        return ""
    held = f"(select {key}, business_date from {_read(raw / 'ds=*' / 'data.parquet')})"
    return f"union select deleted.ds, held.business_date from {held} as held join deleted using ({key})"


def _read(path: Path) -> str:
    return f"read_parquet({literal(str(path))}, hive_partitioning=false)"
