"""The store's own calendar, as it is loaded."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb

from pipelines.home import Home

# A closed day is told some time ahead; older deliveries need not be opened.
_TOLD_AHEAD = timedelta(days=366)


def closed_days(home: Home, first: date, last: date) -> set[date]:
    """The days from `first` to `last` on which the whole store was closed, as last told; none without a calendar."""
    paths = [
        str(path)
        for path in sorted((home.raw / "calendar").glob("ds=*/data.parquet"))
        if path.parent.name >= f"ds={first - _TOLD_AHEAD}"
    ]
    if not paths:
        return set()
    select = """
        with told as (
            select date, is_open from read_parquet($paths, hive_partitioning=true, hive_types={'ds': DATE})
            where date between $first and $last and location_id is null
            qualify row_number() over (partition by date order by ds desc) = 1
        )
        select date from told where not is_open
    """
    with duckdb.connect() as connection:
        rows = connection.execute(select, {"paths": paths, "first": first, "last": last}).fetchall()
    return {day for (day,) in rows}
