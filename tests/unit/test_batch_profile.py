"""The summary of a day is arithmetic over its rows, is kept with its partition, and small loads cost no check."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from shop import Shop, lines

from pipelines import ledger, quality
from pipelines.errors import CheckFailedError
from pipelines.findings import recent_findings
from pipelines.home import Home
from pipelines.ingest import ingest
from pipelines.store_calendar import closed_days

HEADER = "order_id,ordered_at,status,currency,customer_id,channel,shipping_amount"


def _profile(shop: Shop, feed: str = "orders", ds: str = "2024-07-01") -> dict[str, Any]:
    event = ledger.latest(Home(shop.root), f"loads/{feed}")
    assert event is not None
    (profile,) = [entry["profile"] for entry in event["partitions"] if entry["ds"] == ds]
    return dict(profile)


def test_the_summary_of_a_day(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    rows = [
        # London is an hour ahead of UTC in July: the day ends at 23:00 UTC.
        "A,2024-07-01T22:30:00Z,placed,GBP,C1,web,4.00",
        "B,2024-07-01T08:00:00Z,placed,GBP,,web,1.00",
        # Just past midnight in London, and the evening before.
        "C,2024-07-01T23:10:00Z,paid,GBP,,app,2.00",
        "D,2024-06-30T22:00:00Z,paid,GBP,,,",
        # Refused: no such status.
        "E,2024-07-01T08:00:00Z,lost,GBP,C1,web,9.00",
    ]
    shop.deliver("orders/2024-07-01.csv", lines(HEADER, rows))
    shop.ingest("orders")
    profile = _profile(shop)
    assert (profile["rows"], profile["rows_in"], profile["refused"]) == (4, 5, 1)
    assert (profile["late"], profile["ahead"]) == (1, 1)
    # Of the day itself: A half an hour before its end, B 15 hours.
    assert profile["hours"] == {"0": 1, "14": 1}
    assert profile["nulls"]["customer_id"] == 3
    assert (profile["nulls"]["channel"], profile["nulls"]["ship_country"]) == (1, 4)
    assert profile["values"]["channel"] == {"web": 2, "app": 1}
    assert profile["values"]["status"] == {"placed": 2, "paid": 2}
    # 1, 2 and 4.
    assert profile["medians"]["shipping_amount"] == 2
    assert profile["means"]["shipping_amount"] == pytest.approx(7 / 3, abs=1e-6)
    assert "discount_amount" not in profile["means"]


def test_the_same_rows_in_another_order_have_the_same_summary_and_another_row_has_another(shop: Shop) -> None:
    shop.map(inventory="{uri: 'stock/{ds}.csv', format: csv}")
    rows = ["A,main,1,0", "B,main,2,0", "C,main,3,0"]
    summaries = []
    for delivered in (rows, rows[::-1], [*rows[:2], "C,main,4,0"]):
        shop.deliver("stock/2024-07-01.csv", lines("sku,location_id,on_hand,on_order", delivered))
        shop.ingest("inventory")
        summaries.append(_profile(shop, "inventory"))
    assert summaries[0] == summaries[1]
    assert summaries[0]["content"] != summaries[2]["content"]


def test_a_day_without_rows_has_an_empty_summary(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    shop.deliver("orders/2024-07-01.csv", lines(HEADER, []))
    shop.ingest("orders")
    assert _profile(shop) == {"rows": 0, "rows_in": 0, "refused": 0}


def test_of_many_values_the_most_frequent_are_kept_by_name(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    # Of channel n there are n rows, n from 1 to 25.
    channels = [f"channel {n:02}" for n in range(1, 26) for _ in range(n)]
    rows = [f"O{n},2024-07-01T08:00:00Z,placed,GBP,,{channel}," for n, channel in enumerate(channels)]
    shop.deliver("orders/2024-07-01.csv", lines(HEADER, rows))
    shop.ingest("orders")
    values = _profile(shop)["values"]["channel"]
    assert values == {f"channel {n:02}": n for n in range(6, 26)} | {"": 1 + 2 + 3 + 4 + 5}


def _deliver_weeks(shop: Shop, days: int, rows: int, last_rows: int | None = None) -> date:
    for n in range(days):
        ds = date(2024, 6, 1) + timedelta(days=n)
        count = last_rows if last_rows is not None and n == days - 1 else rows
        orders = [f"O{n}-{row},{ds}T08:00:00Z,placed,GBP,,web," for row in range(count)]
        shop.deliver(f"orders/{ds}.csv", lines(HEADER, orders))
    return ds


@pytest.mark.parametrize(("days", "rows"), [(14, 300), (30, 40)])
def test_early_and_small_days_are_loaded_without_great_expectations(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, days: int, rows: int
) -> None:
    monkeypatch.setattr(quality, "validate", None)
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    _deliver_weeks(shop, days, rows, last_rows=0)
    assert shop.ingest("orders").days == days


@pytest.mark.parametrize("asked", [["orders", "calendar"], ["orders"]])
@pytest.mark.parametrize("is_closed", [False, True])
def test_a_day_that_the_calendar_calls_closed_is_not_judged(shop: Shop, is_closed: bool, asked: list[str]) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}", calendar="{uri: 'calendar/{ds}.csv', format: csv}")
    last = _deliver_weeks(shop, 30, 120, last_rows=0)
    told = [f"{last},,{'false' if is_closed else 'true'},Stocktaking"]
    shop.deliver("calendar/2024-06-01.csv", lines("date,location_id,is_open,event", told))
    # Both at once, the calendar behind orders in the order of the contracts; or orders alone, as in a task of Airflow's
    # while the calendar is another one's.
    if is_closed:
        reports = ingest(shop.settings, asked, None, None, lambda line: None)
        assert [report.feed for report in reports] == asked
        assert len(shop.raw("orders", "distinct ds")) == 29
    else:
        with pytest.raises(CheckFailedError, match=f"orders {last}: 0 rows, usually 120 on such a day"):
            ingest(shop.settings, asked, None, None, lambda line: None)


def test_a_calendar_that_cannot_be_read_is_told_and_keeps_no_other_feed_out(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}", calendar="{uri: 'calendar/{ds}.csv', format: csv}")
    _deliver_weeks(shop, 1, 120)
    shop.deliver("calendar/2024-06-01.csv", "date,is_open,event\n2024-06-01,true,cut in the mid")
    said: list[str] = []
    (report,) = ingest(shop.settings, ["orders"], None, None, said.append)
    assert report.rows_loaded == 120
    assert said[0].startswith("calendar: not loaded, calendar/2024-06-01.csv: does not end with a newline")


def test_of_a_closed_day_the_latest_word_counts_and_a_closed_location_closes_no_store(shop: Shop) -> None:
    shop.map(calendar="{uri: 'calendar/{ds}.csv', format: csv}")
    header = "date,location_id,is_open,event"
    shop.deliver("calendar/2024-06-01.csv", lines(header, ["2024-06-10,,false,", "2024-06-11,,false,"]))
    shop.deliver(
        "calendar/2024-06-02.csv", lines(header, ["2024-06-11,,true,", "2024-06-12,popup,false,", "2024-06-13,,true,"])
    )
    shop.ingest("calendar")
    home = Home(shop.root)
    assert closed_days(home, date(2024, 6, 1), date(2024, 6, 30)) == {date(2024, 6, 10)}
    assert closed_days(home, date(2024, 6, 11), date(2024, 6, 30)) == set()


def test_a_stopped_day_is_told_until_it_is_loaded_and_an_accepted_one_is_not_asked_for_again(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    last = _deliver_weeks(shop, 30, 120, last_rows=0)
    shop.ingest("orders", last=last - timedelta(days=1))
    with pytest.raises(CheckFailedError) as stopped:
        shop.ingest("orders")
    assert f"nightshift ingest orders --from {last} --to {last} --accept-checks" in str(stopped.value)
    # The next day loads; the hole before it is still told.
    after = last + timedelta(days=1)
    orders = [f"N{row},{after}T08:00:00Z,placed,GBP,,web," for row in range(120)]
    shop.deliver(f"orders/{after}.csv", lines(HEADER, orders))
    shop.ingest("orders", first=after, last=after)
    home = Home(shop.root)
    assert [line.split(",")[0] for line in recent_findings(home)] == ["checks: orders not loaded"]
    assert f"{last}: 0 rows" in recent_findings(home)[0]
    # Accepted once, the day is loaded anew without being asked for again.
    ingest(shop.settings, ["orders"], last, last, lambda line: None, accept_checks=True)
    assert "accepted" in recent_findings(home)[0]
    assert shop.ingest("orders", again=True).days == 31
    assert "accepted" in recent_findings(home)[0]


def test_of_free_text_the_ledger_names_only_what_many_rows_share(shop: Shop) -> None:
    shop.map(events="{uri: 'events/{ds}.csv', format: csv}")
    header = "event_id,visitor_id,occurred_at,event_type,traffic_source,device"
    sources = [*["newsletter"] * 100, *["for C-1042"] * 99]
    rows = [f"E{n},V,2024-07-01T10:00:00Z,search,{source},watch" for n, source in enumerate(sources)]
    shop.deliver("events/2024-07-01.csv", lines(header, [*rows, "X,V,2024-07-01T10:00:00Z,search,,phone"]))
    shop.ingest("events")
    values = _profile(shop, "events")["values"]
    assert values["traffic_source"] == {"newsletter": 100, "": 99}
    assert values["device"] == {"watch": 199, "phone": 1}


def test_bulk_history_is_judged_by_what_its_days_hold_not_by_how_many_rows(shop: Shop) -> None:
    shop.map(order_lines="{uri: 'lines.csv', format: csv}")
    header = "order_line_id,order_id,sku,quantity,unit_price,updated_at"
    days = [date(2024, 6, 1) + timedelta(days=n) for n in range(30)]
    # The last day is cut after a fifth of its rows.
    rows = [f"L{ds}{n},O{ds}{n},s,1,20,{ds}T12:00:00Z" for ds in days for n in range(40 if ds == days[-1] else 200)]
    shop.deliver("lines.csv", lines(header, rows))
    assert shop.ingest("order_lines").days == 30
    assert recent_findings(Home(shop.root)) == []
    # The same with prices in pence from the last day but one: that is no matter of where the history was cut.
    rows = [row.replace(",20,", ",2000,") if str(days[-2]) in row else row for row in rows]
    shop.deliver("lines.csv", lines(header, rows))
    with pytest.raises(CheckFailedError, match=rf"{days[-2]}: median unit_price 2,000.00, usually 20.00") as caught:
        shop.ingest("order_lines")
    assert str(caught.value).endswith("nightshift ingest order_lines --accept-checks")


def test_a_number_beyond_all_measure_is_no_fault_of_the_summary(shop: Shop) -> None:
    shop.map(shipments="{uri: 'parcels/{ds}.csv', format: csv}")
    rows = ["A,O1,Swift,1", "B,O2,Swift,3", "C,O3,Swift,1e300"]
    shop.deliver("parcels/2024-07-01.csv", lines("shipment_id,order_id,carrier,weight_kg", rows))
    assert shop.ingest("shipments").rows_loaded == 3
    profile = _profile(shop, "shipments")
    assert profile["medians"]["weight_kg"] == 3
    # Of those that can be added up.
    assert profile["means"]["weight_kg"] == (1 + 3) / 2
