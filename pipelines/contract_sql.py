"""Turns a feed contract into SQL: typed columns, and the reason for which a row is refused.

Only column names of the contracts and the operator's mapping expressions become SQL text; values are bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from pipelines.feeds import DATE, INSTANT, NUMBER, TEXT, TOMBSTONE, Column, Feed
from pipelines.masking import masked

# A day may lie far back or ahead, as a launch does; an instant is one in the life of an online store.
EARLIEST_DAY, EARLIEST_INSTANT, LATEST = "1990-01-01", "2000-01-01", "2100-01-01"
_QUARTER = timedelta(minutes=15)
# The store's clock and the delivery's day may differ a little: one day is let pass.
DAYS_AHEAD = 1


class Reason(StrEnum):
    """Why a row was refused: the closed list."""

    MALFORMED_LINE = "malformed_line"
    MISSING_VALUE = "missing_value"
    UNPARSEABLE_VALUE = "unparseable_value"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_VALUE = "unknown_value"
    CONFLICTING_KEY = "conflicting_key"


# What whoever maps the store, or delivers it, can do about each reason.
REMEDIES = {
    Reason.MALFORMED_LINE: "the line is no record: have its quotes, number of columns, JSON or encoding mended",
    Reason.MISSING_VALUE: "a required value is empty: map what holds it, as by coalesce(...), or have it delivered",
    Reason.UNPARSEABLE_VALUE: "the value does not read as the column's type: convert it in `select`, as by "
    "strptime(...) for a date or replace(...) for a decimal comma",
    Reason.OUT_OF_RANGE: "no such value can be, as a negative price or an instant after its delivery: look at unit, "
    "sign and time zone in `select`, or have it corrected",
    Reason.UNKNOWN_VALUE: "the contract does not know the value: translate it in `select` by case ... when ... end, or "
    "have the store correct it",
    Reason.CONFLICTING_KEY: "rows share a key and contradict each other, none of them newer: map `updated_at` to the "
    "time of the change, or have each key delivered once",
}


def mapped(column: str) -> str:
    """The name of a contract column as the mapping left it, before it has a type."""
    return f'"mapped_{column}"'


def present_expression(column: Column) -> str:
    """The mapped value as text without spaces around it, NULL when nothing is left; addresses without a query.

    Its own step of the query, so that it is done once however often the text is looked at later.
    """
    text = f"{mapped(column.name)}::VARCHAR"
    if column.name == "page_url":
        text = (
            f"(case when contains({text}, '#') then split_part(split_part({text}, '#', 1), '?', 1) "
            f"when contains({text}, '?') then split_part({text}, '?', 1) else {text} end)"
        )
    # Trimming copies every value; so it is done only where there is an edge to trim, spaces beyond ASCII included.
    # Text before '!' is empty or begins with a space.
    has_edge = f"{text} < '!' or suffix({text}, ' ') or strlen({text}) <> length({text})"
    return f"case when {has_edge} then {_trimmed(text)} else {text} end"


def typed_expression(column: Column) -> str:
    """The column in its contract type, from its present text; NULL where there is none or it cannot be read as it.

    Personal data is hashed (`PersonalDataKey.prepare` says how), free text masked.
    """
    value = mapped(column.name)
    if column.is_personal:
        return f"keyed_hash(lower({value}))"
    if column.is_free_text:
        return masked(value)
    if column.type == TEXT:
        return f"coalesce({value}, '{column.default}')" if column.default else value
    typed = _instant(value) if column.type == INSTANT else f"try_cast({value} as {column.type})"
    return f"coalesce({typed}, case when {value} is null then {column.default} end)" if column.default else typed


def reason_expression(feed: Feed, is_bulk: bool) -> str:
    """A text `reason:column` for the first rule a row breaks, in the contract's order; NULL for a good row.

    It reads the typed columns, the mapped ones, and `ahead_from` (see there). A tombstone needs its key alone, in
    bulk history an instant as well.
    """
    branches = [branch for column in feed.columns for branch in _branches(feed, column)]
    if is_bulk and feed.instants:
        instants = ", ".join(f'"{name}"' for name in feed.instants)
        branches.append(f"when coalesce({instants}) is null then '{Reason.MISSING_VALUE}:{feed.instants[0]}'")
    return "case " + "\n".join(branches) + " end"


def own_instant(feed: Feed) -> str:
    """The instant a row speaks of, as a UTC timestamp; NULL for snapshot feeds."""
    return f"coalesce({', '.join(_quoted(feed.instants))}, NULL)" if feed.instants else "NULL::TIMESTAMP"


def defaulted_update(feed: Feed) -> str:
    """`updated_at`, where none is given the row's own instant; one that cannot be read is left to be refused.

    A tombstone's own instant would be that of what it deletes: without `updated_at` it speaks for its day's end.
    """
    is_left = f"{mapped('updated_at')} is null and {TOMBSTONE} is not true"
    return f"coalesce(updated_at, case when {is_left} then {own_instant(feed)} end)"


def last_word(feed: Feed) -> str:
    """Whether a row deletes all that was delivered of its key up to its day: a tombstone without `updated_at`."""
    if not feed.has_tombstones:
        return "false"
    return f"({TOMBSTONE} and updated_at is null)" if "updated_at" in feed.column_names else TOMBSTONE


def ahead_from(ds: str, is_bulk: bool) -> str:
    """The instant from which nothing can have happened yet when day `ds` was delivered; NULL for bulk history."""
    return "NULL::TIMESTAMP" if is_bulk else f"timezone('UTC', ({ds} + {DAYS_AHEAD + 1})::TIMESTAMPTZ)"


def latest_instant(feed: Feed) -> str:
    """The latest instant in a row: by then all of it was known."""
    instants = [column.name for column in feed.columns if column.type == INSTANT and not column.may_lie_ahead]
    return f"greatest({', '.join(_quoted(instants))}, NULL)" if instants else "NULL::TIMESTAMP"


def business_day(instant: str, steady: Sequence[SteadyClock] = ()) -> str:
    """The store's business day of a UTC instant; the session's time zone is the store's.

    `steady` are periods in which the clock does not change: there a sum does, where the time zone's rules cost
    many times as much.
    """
    by_rules = f"((({instant}) at time zone 'UTC')::DATE)"
    cases = "".join(
        f" when {instant} >= TIMESTAMP '{period.first}' and {instant} < TIMESTAMP '{period.end}' "
        f"then ({instant} + INTERVAL '{period.offset_seconds} seconds')::DATE"
        for period in steady
    )
    return f"(case{cases} else {by_rules} end)" if cases else by_rules


@dataclass(frozen=True)
class SteadyClock:
    """From `first` until before `end`, both UTC, the store's clock is so many seconds ahead of UTC."""

    first: datetime
    end: datetime
    offset_seconds: int


def steady_clocks(zone: ZoneInfo, first: date, last: date) -> list[SteadyClock]:
    """The periods without a clock change between two UTC days, to the hour's quarter, in which clocks change."""
    day, end = datetime.combine(first, time()), datetime.combine(last, time())
    periods: list[SteadyClock] = []
    while day < end:
        # Looked at by the quarter only on a day at whose end the clock is not what it was at its beginning.
        step = timedelta(days=1) if _offset(zone, day) == _offset(zone, day + timedelta(days=1)) else _QUARTER
        for number in range(timedelta(days=1) // step):
            instant = day + number * step
            offset = _offset(zone, instant)
            if periods and periods[-1].offset_seconds == offset:
                periods[-1] = replace(periods[-1], end=instant + step)
            else:
                periods.append(SteadyClock(instant, instant + step, offset))
        day += timedelta(days=1)
    return periods


def _offset(zone: ZoneInfo, instant: datetime) -> int:
    return int(instant.replace(tzinfo=UTC).astimezone(zone).utcoffset().total_seconds())  # type: ignore[union-attr]


def _quoted(names: list[str] | tuple[str, ...]) -> list[str]:
    return [f'"{name}"' for name in names]


def _trimmed(text: str) -> str:
    return f"nullif(trim({text}), '')"


def _instant(text: str) -> str:
    # DuckDB drops an offset when it casts text straight to TIMESTAMP, so only text in UTC may take that short way.
    return (
        f"case when {text} like '%Z' then try_cast({text} as TIMESTAMP)"
        f" when length({text}) = 10"
        f" then (try_cast({text} || ' 12:00:00' as TIMESTAMPTZ) at time zone 'UTC')"
        f" else (try_cast({text} as TIMESTAMPTZ) at time zone 'UTC') end"
    )


def _branches(feed: Feed, column: Column) -> list[str]:
    name, value = f'"{column.name}"', mapped(column.name)
    branches = []
    if column.type != TEXT:
        branches.append(f"when {name} is null and {value} is not null then '{Reason.UNPARSEABLE_VALUE}:{column.name}'")
    if column.required:
        unless = f" and {TOMBSTONE} is not true" if feed.has_tombstones and column.name not in feed.key else ""
        branches.append(f"when {name} is null{unless} then '{Reason.MISSING_VALUE}:{column.name}'")
    if rule := _range_rule(column):
        branches.append(f"when {rule} then '{Reason.OUT_OF_RANGE}:{column.name}'")
    if column.values:
        allowed = ", ".join(f"'{value}'" for value in column.values)
        branches.append(f"when {name} not in ({allowed}) then '{Reason.UNKNOWN_VALUE}:{column.name}'")
    return branches


def _range_rule(column: Column) -> str:
    name = f'"{column.name}"'
    rules = []
    if column.minimum is not None:
        rules.append(f"{name} {'<=' if column.exclusive else '<'} {column.minimum}")
    if column.maximum is not None:
        rules.append(f"{name} > {column.maximum}")
    if column.type == NUMBER:
        rules.append(f"not isfinite({name})")
    if column.type in (INSTANT, DATE):
        earliest = EARLIEST_INSTANT if column.type == INSTANT else EARLIEST_DAY
        rules.append(f"{name} < DATE '{earliest}' or {name} >= DATE '{LATEST}'")
    if column.type == INSTANT and not column.may_lie_ahead:
        rules.append(f"{name} >= ahead_from")
    return " or ".join(rules)
