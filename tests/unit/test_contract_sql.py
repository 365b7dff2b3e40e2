"""The SQL that types and judges delivered rows, against Python's own rules."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from shop import Shop

from pipelines.contract_sql import business_day, present_expression, steady_clocks, typed_expression
from pipelines.feeds import FEEDS

QUARTER = timedelta(minutes=15)


# Whole hours, half an hour off UTC, a change of half an hour, a change at midnight, no change at all.
@pytest.mark.parametrize(
    "name", ["Europe/London", "America/St_Johns", "Australia/Lord_Howe", "Asia/Beirut", "Asia/Kathmandu"]
)
def test_business_days_are_those_of_the_time_zone(name: str) -> None:
    zone, first = ZoneInfo(name), date(2025, 1, 1)
    steady = steady_clocks(zone, first, first + timedelta(days=365))
    begins = datetime(2024, 12, 30)
    # Also instants before and after the steady periods.
    instants = [begins + number * QUARTER for number in range(96 * 370)]
    connection = duckdb.connect()
    connection.execute(f"set TimeZone = '{name}'")
    connection.execute("create table instants as select unnest($instants) as instant", {"instants": instants})
    found = connection.execute(f"select instant, {business_day('instant', steady)} from instants").fetchall()
    expected = [instant.replace(tzinfo=UTC).astimezone(zone).date() for instant in instants]
    assert [day for _, day in found] == expected
    assert len(steady) == len({period.first for period in steady}) <= 4


# New York sprang forward at 2:00 on 10 March 2024 (07:00 UTC) and fell back at 2:00 on 3 November (06:00 UTC).
@pytest.mark.parametrize(
    ("delivered", "utc"),
    [
        ("2024-03-10 01:59:59", datetime(2024, 3, 10, 6, 59, 59)),
        # No clock showed it: counted on from the time before the change, half past three by the new one.
        ("2024-03-10 02:30:00", datetime(2024, 3, 10, 7, 30)),
        ("2024-03-10 03:00:00", datetime(2024, 3, 10, 7)),
        # Shown twice: the second time is meant, an offset tells the first.
        ("2024-11-03 01:30:00", datetime(2024, 11, 3, 6, 30)),
        ("2024-11-03 01:30:00-04", datetime(2024, 11, 3, 5, 30)),
        ("2024-11-03 02:00:00", datetime(2024, 11, 3, 7)),
    ],
)
def test_local_times_around_a_change_of_the_clock(delivered: str, utc: datetime) -> None:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'America/New_York'")
    instant = typed_expression(FEEDS["events"].column("occurred_at"))
    found = connection.execute(f"select {instant} from (select $text as mapped_occurred_at)", {"text": delivered})
    assert found.fetchall() == [(utc,)]


def test_present_text_is_what_trimming_every_value_would_give() -> None:
    edges = ["", " ", "a", " a", "a ", "\u00a0a", "a\u2003", "é", " é ", "a b", "\ta", "a\n"]
    column = next(column for column in FEEDS["events"].columns if column.name == "device")
    rows = duckdb.execute(
        f"select nullif(trim(mapped_device), ''), {present_expression(column)} "
        "from (select unnest($edges) as mapped_device)",
        {"edges": edges},
    ).fetchall()
    assert len(rows) == len(edges)
    assert all(trimmed == present for trimmed, present in rows)


@pytest.mark.parametrize(
    ("delivered", "kept"),
    [
        ("https://s.example/p?a=1", "https://s.example/p"),
        ("https://s.example/p#top?a", "https://s.example/p"),
        ("https://s.example/p?a#top", "https://s.example/p"),
        (" https://s.example/p ", "https://s.example/p"),
        ("?a=1", None),
        ("https://s.example/p\n?a=1", "https://s.example/p\n"),
    ],
)
def test_an_address_keeps_no_query(delivered: str, kept: str | None) -> None:
    column = next(column for column in FEEDS["events"].columns if column.name == "page_url")
    found = duckdb.execute(
        f"select {present_expression(column)} from (select $url as mapped_page_url)", {"url": delivered}
    )
    assert found.fetchall() == [(kept,)]


GOOD = '{"event_id":"%s","visitor_id":"v","occurred_at":"2025-01-02T10:00:00Z","event_type":"page_view"}'
ODD = {
    "null": "null",
    "a list": "[1]",
    "a text": '"a"',
    "cut": '{"event_id":"x","visitor_id":"v"',
    "two in one": GOOD % "x" + GOOD % "y",
    "half a character": GOOD.replace("page_view", "\\ud800") % "x",
    "a key twice": '{"event_id":"x","event_id":"x","visitor_id":"v"}',
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_one_odd_line_of_json_costs_no_other_its_place(shop: Shop, odd: str) -> None:
    """The short way of reading JSON Lines gives up where a line is odd; the long way knows each by its number."""
    shop.map(events='{uri: "events/{ds}.jsonl", format: jsonl}')
    shop.deliver("events/2025-01-02.jsonl", "\n".join([GOOD % "a", GOOD % "b", odd, GOOD % "c", ""]))
    report = shop.ingest("events")
    assert (report.rows_in, report.rows_loaded, report.rows_quarantined) == (4, 3, 1)
    assert shop.raw("events", "event_id") == [("a",), ("b",), ("c",)]
    assert [line for line, _, _ in shop.quarantined("events")] == [3]
