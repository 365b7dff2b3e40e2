"""The business dates that a load touches: those an incremental build has to make anew.

They are the dates of the rows that a day brings and of those it replaces. A tombstone often has no date but that of
its delivery, and what it deletes has others: so the dates of all that `raw/` holds of its key belong to it, also when
the tombstone itself is taken back. What is not loaded yet cannot be known; it touches its own dates when it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb

from pipelines.delivered_sql import identifier, literal
from pipelines.feeds import TOMBSTONE, Feed


def touched_dates(
    connection: duckdb.DuckDBPyConnection, feed: Feed, raw: Path, days: Sequence[date]
) -> dict[date, list[str]]:
    """For each day of the table `accepted` its dates, in order; `raw` is the feed's folder before the load."""
    before = {day: raw / f"ds={day}" / "data.parquet" for day in days}
    replaced = [
        f"union all by name select DATE '{day}' as ds, * from {_read(path)}"
        for day, path in before.items()
        if path.exists()
    ]
    # The columns that are read here stand in `accepted`; a partition of an older contract may lack some.
    connection.execute(f"create temp view touching as from accepted {' '.join(replaced)}")
    touched: dict[date, list[str]] = {}
    for ds, business_date in connection.execute(
        f"select ds, business_date from touching {_of_deleted(connection, feed, raw)} group by all order by all"
    ).fetchall():
        touched.setdefault(ds, []).append(str(business_date))
    return touched


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
