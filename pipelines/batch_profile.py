"""A summary of each business day of a batch: what its rows look like as a whole, which no single row tells.

It is made by DuckDB in the batch's own connection, is kept with the day's partition in the ledger, and is what later
days are compared with. The same rows give the same summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pipelines import contract_sql, ledger
from pipelines.delivered_sql import identifier
from pipelines.feeds import INSTANT, INTEGER, MONEY, NUMBER, QUANTITY, TOMBSTONE, UNIT_PRICE, Column, Feed
from pipelines.home import Home

if TYPE_CHECKING:
    from pipelines.load_batch import Batch

# As JSON has it: rows; late and ahead, those of them that speak of another day; nulls and values, rows by column;
# medians and means by column; hours, rows by the hours left of their day; content, the same for the same rows.
Profile = Mapping[str, Any]

HISTORY_DAYS = 28
EMPTY: Profile = {"rows": 0}
# A column with more values than this is no category; the rest of its rows go without a name.
_VALUES_KEPT = 20
_VALUE_LENGTH = 40
# Of free text a value is named only when so many rows have it that it is nobody's.
_SHARED_BY = 100
_EXACT = (INTEGER, MONEY, QUANTITY, UNIT_PRICE)


def profile(batch: Batch) -> dict[date, Profile]:
    """The summary of every day that has a row about to be loaded; the others have the `EMPTY` one."""
    days = {row["ds"]: row for row in _totals(batch)}
    for column in categories(batch.feed):
        for ds, value, rows in batch.connection.execute(_counted(batch.feed, column)).fetchall():
            days[ds]["values"].setdefault(column.name, {})[value] = rows
    if batch.feed.instants:
        for ds, hours, rows in batch.connection.execute(_hours(batch.feed)).fetchall():
            days[ds]["hours"][str(hours)] = rows
    return {ds: {name: value for name, value in day.items() if name != "ds"} for ds, day in days.items()}


def history(home: Home, feed: str, days: Sequence[date]) -> dict[date, Profile]:
    """The kept summaries of the weeks before `days` and between them, a day without rows included.

    A day that was read before it was over says nothing of a whole one, and is left out.
    """
    first = min(days) - timedelta(days=HISTORY_DAYS)
    found: dict[date, Profile] = {}
    for event in ledger.events(home, f"loads/{feed}"):
        for entry in event["partitions"]:
            ds = date.fromisoformat(entry["ds"])
            if first <= ds < max(days):
                is_running = any(file.get("is_running") for file in entry.get("files", ()))
                found.pop(ds, None)
                if "profile" in entry and not is_running:
                    found[ds] = entry["profile"]
    return found


def categories(feed: Feed) -> list[Column]:
    return [column for column in feed.columns if column.is_category]


def numbers(feed: Feed) -> list[Column]:
    return [column for column in feed.columns if column.type in (*_EXACT, NUMBER)]


def optional(feed: Feed) -> list[Column]:
    return [column for column in feed.columns if not column.required and column.name != TOMBSTONE]


def _rows(feed: Feed) -> str:
    """What is about to be loaded; tombstones have no values to look at."""
    stands = f" and {TOMBSTONE} is not true" if feed.has_tombstones else ""
    return f"checked where refusal is null{stands}"


def _totals(batch: Batch) -> list[dict[str, Any]]:
    feed = batch.feed
    nulls = [f"count(*) - count({identifier(column.name)})" for column in optional(feed)]
    medians = [f"median({identifier(column.name)})::DOUBLE" for column in numbers(feed)]
    # A sum of decimals does not depend on the order in which threads add them up; one of floats would.
    means = [_exact_mean(column) for column in numbers(feed)]
    dates = ["count(*) filter (business_date < ds)", "count(*) filter (business_date > ds)"]
    sums = ", ".join(["count(*)", *dates, _content(feed), *nulls, *medians, *means])
    rows = []
    found = batch.connection.execute(f"select ds, {sums} from {_rows(feed)} group by ds").fetchall()
    for ds, count, late, ahead, content, *rest in found:
        cuts = len(nulls), len(nulls) + len(medians)
        rows.append(
            {
                "ds": ds,
                "rows": count,
                "late": late,
                "ahead": ahead,
                "content": f"{content:016x}",
                "nulls": _named(optional(feed), rest[: cuts[0]]),
                "medians": _named(numbers(feed), rest[cuts[0] : cuts[1]]),
                "means": _named(numbers(feed), rest[cuts[1] :]),
                "values": {},
                "hours": {},
            }
        )
    return rows


def _named(columns: Sequence[Column], values: Sequence[float | int | None]) -> dict[str, float | int]:
    named = zip(columns, values, strict=True)
    return {column.name: round(value, 6) for column, value in named if value is not None}


def _exact_mean(column: Column) -> str:
    name = identifier(column.name)
    # What has no place among such decimals is no weight and no distance; the median sees it.
    exact = f"try_cast({name} as DECIMAL(18,4))" if column.type == NUMBER else name
    return f"sum({exact})::DOUBLE / nullif(count({exact}), 0)"


def _content(feed: Feed) -> str:
    """What is the same for the same rows in any order: the key and the instants, of a snapshot all of it."""
    instants = [column.name for column in feed.columns if column.type == INSTANT]
    names = feed.column_names if feed.is_snapshot else [*feed.key, *instants]
    return f"bit_xor(hash({', '.join(identifier(name) for name in names)}))"


def _counted(feed: Feed, category: Column) -> str:
    """Rows by day and value; past the most frequent values they are counted together, under no name.

    So is what few rows share in a column of free text, since the ledger keeps the names.
    """
    column = identifier(category.name)
    fewest = _SHARED_BY if category.is_free_text else 1
    return f"""
        with counted as (
            select ds, {column} as value, count(*) as rows from {_rows(feed)} and {column} is not null group by all
        ),
        placed as (
            select *, row_number() over (partition by ds order by rows desc, value) <= {_VALUES_KEPT} as is_kept
            from counted
        )
        select ds, case when is_kept and rows >= {fewest} then left(value::VARCHAR, {_VALUE_LENGTH}) else '' end
            as named, sum(rows)::BIGINT
        from placed group by all
    """


def _hours(feed: Feed) -> str:
    """Rows of the day itself by the whole hours that its own instant lies before the day's end in the store."""
    return f"""
        with hourly as (
            select ds, date_trunc('hour', {contract_sql.own_instant(feed)}) as hour, count(*) as rows
            from {_rows(feed)} and business_date = ds group by all
        )
        select ds, date_diff('hour', hour, timezone('UTC', (ds + 1)::TIMESTAMPTZ)) - 1, sum(rows)::BIGINT
        from hourly where hour is not null group by all
    """
