"""Refused rows can be listed, shown and, once file or mapping is mended, loaded."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from shop import Shop, lines, nightshift

from pipelines import ledger, quarantine
from pipelines.cli import cli
from pipelines.contract_sql import REMEDIES, Reason
from pipelines.errors import NightshiftError
from pipelines.home import Home

DAILY_ORDERS = "{uri: 'orders/{ds}.csv', format: csv}"
ORDERS = "order_id,ordered_at,status,currency"
FIRST, SECOND = date(2024, 7, 1), date(2024, 7, 2)


@pytest.fixture
def orders(shop: Shop) -> Shop:
    """Two days: on the first two unknown statuses and a missing key, on the second one unknown status."""
    shop.map(orders=DAILY_ORDERS)
    first = ["o1,2024-07-01,paid,GBP", "o2,2024-07-01,lost,GBP", ",2024-07-01,paid,GBP", "o4,2024-07-01,gone,GBP"]
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, first))
    shop.deliver("orders/2024-07-02.csv", lines(ORDERS, ["o5,2024-07-02,lost,GBP"]))
    shop.deliver("orders/2024-07-03.csv", lines(ORDERS, ["o6,2024-07-03,paid,GBP"]))
    shop.ingest("orders")
    return shop


def _run(shop: Shop, *arguments: str, status: int = 0) -> str:
    """`nightshift quarantine ...` in this process; an error's text is part of what it says."""
    # In colour, since escapes are else stripped of what goes to no terminal.
    done = CliRunner().invoke(cli, ["quarantine", *arguments, "--home", str(shop.root)], color=True)
    says = done.output + (str(done.exception) if done.exception else "")
    assert (1 if isinstance(done.exception, NightshiftError) else done.exit_code) == status, says
    return says


def _table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith("orders ")]


def _files(shop: Shop) -> dict[str, tuple[int, bytes]]:
    """Every file of the home with its time of change and bytes."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(shop.root.rglob("*"))
        if path.is_file() and path.name not in (".load.lock", ".night.lock")
    }


def test_list_counts_by_feed_day_reason_and_column(orders: Shop) -> None:
    text = _run(orders, "list")
    assert _table(text) == [
        ["orders", "2024-07-01", "missing_value", "order_id", "1", "2024-07-01.csv", "4"],
        ["orders", "2024-07-01", "unknown_value", "status", "2", "2024-07-01.csv", "3"],
        ["orders", "2024-07-02", "unknown_value", "status", "1", "2024-07-02.csv", "2"],
    ]
    assert "total: rows 4, feeds 1, days of a feed 2; unknown_value 3, missing_value 1" in text


def test_list_names_the_first_of_a_days_files(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}/*.csv', format: csv}")
    shop.deliver("orders/2024-07-01/b.csv", lines(ORDERS, ["o1,2024-07-01,lost,GBP"]))
    shop.deliver("orders/2024-07-01/a.csv", lines(ORDERS, ["o2,2024-07-01,paid,GBP", "o3,2024-07-01,lost,GBP"]))
    shop.ingest("orders")
    assert _table(_run(shop, "list")) == [["orders", "2024-07-01", "unknown_value", "status", "2", "a.csv", "3"]]


@pytest.mark.parametrize(
    ("filters", "days_and_rows"),
    [
        (["--feed", "orders"], [("2024-07-01", "1"), ("2024-07-01", "2"), ("2024-07-02", "1")]),
        (["--from", "2024-07-02"], [("2024-07-02", "1")]),
        (["--to", "2024-07-01"], [("2024-07-01", "1"), ("2024-07-01", "2")]),
        (["--reason", "missing_value"], [("2024-07-01", "1")]),
        (["--reason", "missing_value", "--reason", "unknown_value", "--from", "2024-07-02"], [("2024-07-02", "1")]),
    ],
)
def test_list_is_narrowed_by_filters(orders: Shop, filters: list[str], days_and_rows: list[tuple[str, str]]) -> None:
    assert [(row[1], row[4]) for row in _table(_run(orders, "list", *filters))] == days_and_rows


def test_an_empty_quarantine_is_said_plainly(orders: Shop, tmp_path: Path) -> None:
    assert _run(orders, "list", "--feed", "events") == "nothing is quarantined of what was asked for\n"
    assert _run(orders, "retry", "--from", "2024-07-03") == "nothing is quarantined of what was asked for\n"
    empty = Shop(tmp_path / "empty")
    for command in ("list", "show", "retry"):
        assert _run(empty, command) == "nothing is quarantined\n"


def test_show_has_the_rows_and_what_to_do(orders: Shop) -> None:
    text = _run(orders, "show")
    assert [line for line in text.splitlines() if line.startswith("orders ")] == [
        "orders 2024-07-01 2024-07-01.csv line 3: unknown_value status",
        "orders 2024-07-01 2024-07-01.csv line 4: missing_value order_id",
        "orders 2024-07-01 2024-07-01.csv line 5: unknown_value status",
        "orders 2024-07-02 2024-07-02.csv line 2: unknown_value status",
    ]
    assert '"order_id":"o4"' in text
    assert f"unknown_value: {REMEDIES[Reason.UNKNOWN_VALUE]}" in text
    assert "malformed_line" not in text
    assert "more" not in text


def test_show_says_how_many_rows_the_limit_left_out(orders: Shop) -> None:
    assert "and 3 more" in _run(orders, "show", "--limit", "1")
    assert "and 1 more" in _run(orders, "show", "--limit", "2", "--reason", "unknown_value")
    assert " more" not in _run(orders, "show", "--limit", "4")


def test_each_reason_has_its_remedy() -> None:
    assert set(REMEDIES) == set(Reason)
    assert len(set(REMEDIES.values())) == len(Reason)
    assert all(remedy and "\n" not in remedy for remedy in REMEDIES.values())


@pytest.mark.parametrize("failed", [[], ["--failed"]])
def test_what_would_steer_a_terminal_is_never_printed_raw(shop: Shop, failed: list[str]) -> None:
    shop.map(events="{uri: 'events/*{ds}.jsonl', format: jsonl}")
    broken = "{broken \x1b]0;owned\x07\x1b[31m\x9b2J\u202eevil\x7f\n"
    shop.deliver("events/\x1b[2J2024-07-01.jsonl", broken * (21 if failed else 1))
    if failed:
        with pytest.raises(NightshiftError, match="over the limit"):
            shop.ingest("events")
    else:
        shop.ingest("events")
        (file,) = shop.settings.landing_folder.glob("events/*.jsonl")
        file.unlink()
    text = _run(shop, "show", *failed) + _run(shop, "list") + _run(shop, "retry", status=0 if failed else 1)
    assert [c for c in text if not c.isprintable() and c != "\n"] == []
    assert "\\x1b]0;owned\\x07\\x1b[31m\\x9b2J\\u202eevil\\x7f" in text
    assert "\\x1b[2J2024-07-01.jsonl" in text


def test_a_long_text_is_cut_and_its_length_said(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, [f"o1,2024-07-01,{'x' * 5000},GBP"]))
    shop.ingest("orders")
    ((length,),) = shop.quarantined("orders", "length(raw_text)", "all")
    text = _run(shop, "show")
    assert f"... ({length:,} characters)" in text
    assert "x" * 400 in text
    assert "x" * 501 not in text


def test_retry_after_the_mapping_is_mended(orders: Shop) -> None:
    orders.deliver("orders/2024-07-04.csv", lines(ORDERS, ["o8,2024-07-04,lost,GBP"]))
    orders.ingest("orders")
    mended = "case status when 'lost' then 'cancelled' else status end"
    select = f'{{order_id: order_id, ordered_at: ordered_at, status: "{mended}", currency: currency}}'
    orders.map(orders=f"{{uri: 'orders/{{ds}}.csv', format: csv, select: {select}}}")
    before = ledger.partitions(Home(orders.root), "orders")
    text = _run(orders, "retry")
    # Three of the five rows said `lost`, one on each day.
    assert "orders 2024-07-01: quarantined 3 -> 2, loaded 1 -> 2" in text
    assert "orders 2024-07-02: quarantined 1 -> 0, loaded 0 -> 1" in text
    assert "total: days loaded again 3, quarantined 5 -> 2, loaded 1 -> 4" in text
    assert orders.raw("orders", "order_id, status") == [
        ("o1", "paid"),
        ("o2", "cancelled"),
        ("o5", "cancelled"),
        ("o6", "paid"),
        ("o8", "cancelled"),
    ]
    # The third day had nothing in quarantine: a retry of the days around it leaves it as it is.
    third = date(2024, 7, 3)
    assert ledger.partitions(Home(orders.root), "orders")[third] == before[third]


def test_retry_after_a_file_is_mended_leaves_the_other_day(orders: Shop) -> None:
    orders.deliver("orders/2024-07-02.csv", lines(ORDERS, ["o5,2024-07-02,paid,GBP"]))
    text = _run(orders, "retry")
    assert "orders 2024-07-02: quarantined 1 -> 0, loaded 0 -> 1" in text
    assert "orders: days unchanged 1, since neither their files nor the mapping were mended" in text
    assert len(list(ledger.events(Home(orders.root), "loads/orders"))) == 2


def test_filters_say_which_days_are_retried(orders: Shop) -> None:
    for day in (FIRST, SECOND):
        orders.deliver(f"orders/{day}.csv", lines(ORDERS, [f"n{day},{day},paid,GBP"]))
    # A missing value is on the first day only.
    assert "orders 2024-07-01: quarantined 3 -> 0, loaded 1 -> 1" in _run(orders, "retry", "--reason", "missing_value")
    assert orders.quarantined("orders", "ds", "all") == [(SECOND,)]
    assert _run(orders, "retry", "--to", "2024-07-01") == "nothing is quarantined of what was asked for\n"
    assert "total: days loaded again 1, quarantined 1 -> 0, loaded 0 -> 1" in _run(orders, "retry", "--feed", "orders")


def test_a_second_retry_changes_no_byte(orders: Shop) -> None:
    orders.deliver("orders/2024-07-02.csv", lines(ORDERS, ["o5,2024-07-02,paid,GBP", "o7,2024-07-02,odd,GBP"]))
    _run(orders, "retry")
    before = _files(orders)
    text = _run(orders, "retry")
    assert "total: days loaded again 0, quarantined 0 -> 0, loaded 0 -> 0" in text
    assert "days unchanged 2" in text
    assert _files(orders) == before


def test_days_whose_files_are_gone_are_named_and_left(orders: Shop) -> None:
    orders.deliver("orders/2024-07-01.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP"]))
    (orders.settings.landing_folder / "orders/2024-07-02.csv").unlink()
    before = orders.quarantined("orders", "*", "all")
    text = _run(orders, "retry", status=1)
    assert "orders 2024-07-01: quarantined 3 -> 0, loaded 1 -> 1" in text
    assert "orders 2024-07-02: left as it is, orders/2024-07-02.csv gone from" in text
    assert "days left as they are: 1" in text
    assert orders.quarantined("orders", "*", "all") == [row for row in before if SECOND in row]


def test_a_day_with_one_of_its_files_gone_does_not_lose_its_rows(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}/*.csv', format: csv}")
    shop.deliver("orders/2024-07-01/a.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP"]))
    shop.deliver("orders/2024-07-01/b.csv", lines(ORDERS, ["o2,2024-07-01,lost,GBP"]))
    shop.ingest("orders")
    (shop.settings.landing_folder / "orders/2024-07-01/a.csv").unlink()
    text = _run(shop, "retry", status=1)
    assert "orders/2024-07-01/a.csv gone from" in text
    assert "nightshift ingest orders --from 2024-07-01 --to 2024-07-01" in text
    assert shop.raw("orders", "order_id") == [("o1",)]


def test_a_feed_that_is_no_longer_mapped_is_left(orders: Shop) -> None:
    del orders.feeds["orders"]
    orders.map(events="{uri: 'events/{ds}.jsonl', format: jsonl}")
    text = _run(orders, "retry", status=1)
    assert "orders 2024-07-02: left as it is, sources.yml does not map this feed" in text
    assert len(orders.quarantined("orders")) == 4


def test_a_feed_that_fails_does_not_keep_the_others_from_theirs(orders: Shop) -> None:
    orders.map(customers="{uri: 'customers/{ds}.csv', format: csv}")
    orders.deliver("customers/2024-07-01.csv", lines("customer_id,created_at", ["c1,never"]))
    orders.ingest("customers")
    orders.deliver("orders/2024-07-01.csv", "no newline at the end")
    orders.deliver("customers/2024-07-01.csv", lines("customer_id,created_at", ["c1,2024-07-01"]))
    text = _run(orders, "retry", status=1)
    assert "orders: failed, orders/2024-07-01.csv: does not end with a newline" in text
    assert "customers 2024-07-01: quarantined 1 -> 0, loaded 0 -> 1" in text
    assert "failed: orders" in text
    assert len(orders.quarantined("orders")) == 4


def test_bulk_history_is_retried_as_a_whole(shop: Shop) -> None:
    shop.map(orders="{uri: history.csv, format: csv}")
    rows = ["o1,2024-07-01,paid,GBP", "o2,2024-07-01,lost,GBP", "o3,2024-07-02,paid,GBP"]
    shop.deliver("history.csv", lines(ORDERS, rows))
    shop.ingest("orders")
    assert "days unchanged 1" in _run(shop, "retry")
    shop.deliver("history.csv", lines(ORDERS, [row.replace("lost", "paid") for row in rows]))
    # What a bulk history refuses lies with its last day.
    text = _run(shop, "retry", "--from", "2024-07-02")
    assert "orders: bulk history, retried as a whole, 2 days, quarantined 1 -> 0, loaded 2 -> 3" in text
    shop.deliver("history.csv", lines(ORDERS, rows))
    shop.ingest("orders")
    (shop.settings.landing_folder / "history.csv").unlink()
    assert "orders 2024-07-02: left as it is, history.csv gone from" in _run(shop, "retry", status=1)
    assert len(shop.raw("orders")) == 2


def test_retry_waits_for_the_night_that_holds_the_home(orders: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_LOCK_WAIT_SECONDS", "0")
    orders.deliver("orders/2024-07-02.csv", lines(ORDERS, ["o5,2024-07-02,paid,GBP"]))
    home = Home(orders.root)
    with home.held("another night", 30, 0):
        pass
    assert "held by another night" in _run(orders, "retry", status=1)
    assert len(orders.quarantined("orders")) == 4
    home.release("another night")
    assert "quarantined 1 -> 0" in _run(orders, "retry")
    with home.held("the next night", 30, 0):
        pass


def _fail(shop: Shop, bad: list[str]) -> str:
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, bad))
    with pytest.raises(NightshiftError) as failure:
        shop.ingest("orders")
    return str(failure.value)


def test_a_load_over_the_limit_leaves_a_sample_that_can_be_shown(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-02.csv", lines(ORDERS, []))
    # 500 unknown statuses and then one missing key, ada's address in each.
    bad = [f"ada{n}@example.org,2024-07-01,lost,GBP" for n in range(500)] + [",2024-07-01,paid,GBP"]
    message = _fail(shop, bad)
    sample = quarantine.sample_file(Home(shop.root), "orders")
    assert "\n" not in message
    assert "501 of 501 rows refused" in message
    assert "so 2024-07-01 to 2024-07-02 are not loaded: unknown_value status 500, missing_value order_id 1" in message
    assert f"nightshift quarantine show --failed --feed orders --home {shop.root}" in message
    assert str(sample) in message

    text = _run(shop, "show", "--failed")
    assert "orders 2024-07-01: 501 rows refused, over the limit, so the day was not loaded; 300 kept" in text
    assert "2024-07-01.csv line 2: unknown_value status" in text
    assert "and 280 more" in text
    assert "ada" not in text
    assert "[email]" in text
    # The rare reason is in the sample, though 500 rows stand before it.
    assert "2024-07-01.csv line 502: missing_value order_id" in _run(
        shop, "show", "--failed", "--reason", "missing_value"
    )
    assert _run(shop, "list") == "nothing is quarantined\n"


def test_the_sample_is_replaced_by_the_next_load(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    _fail(shop, [f"o{n},2024-07-01,lost,GBP" for n in range(30)])
    message = _fail(shop, [f"o{n},never,paid,GBP" for n in range(21)])
    assert "so the day is not loaded: unparseable_value ordered_at 21" in message
    sample = quarantine.sample_file(Home(shop.root), "orders")
    counts = duckdb.sql(f"select reason, count(*), max(rows_refused) from read_parquet('{sample}') group by all")
    assert counts.fetchall() == [("unparseable_value", 21, 21)]
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP"]))
    shop.ingest("orders")
    assert _run(shop, "show", "--failed") == "no load failed over its refused rows\n"
    assert list((shop.root / "quarantine").rglob("*.parquet")) == []


def test_days_in_the_wrong_order_are_a_wrong_call(orders: Shop) -> None:
    done = nightshift(orders.root, "quarantine", "list", "--from", "2024-07-02", "--to", "2024-07-01")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--from 2024-07-02 lies after --to 2024-07-01" in done.stderr


def test_the_way_back_as_a_person_goes_it(orders: Shop) -> None:
    status = nightshift(orders.root, "status")
    assert "quarantine: 4 rows refused; see: nightshift quarantine list" in status.stdout
    shown = nightshift(orders.root, "quarantine", "show", "--from", "2024-07-02")
    assert (shown.returncode, "line 2: unknown_value status" in shown.stdout) == (0, True)
    (orders.settings.landing_folder / "orders/2024-07-01.csv").unlink()
    orders.deliver("orders/2024-07-02.csv", lines(ORDERS, ["o5,2024-07-02,paid,GBP"]))
    retried = nightshift(orders.root, "quarantine", "retry")
    assert retried.returncode == 1
    assert "orders 2024-07-02: quarantined 1 -> 0, loaded 0 -> 1" in retried.stdout
    assert retried.stderr.endswith("nightshift: days left as they are: 1 (see above)\n")
    assert "quarantine: 3 rows refused" in nightshift(orders.root, "status").stdout


def test_status_says_nothing_of_an_empty_quarantine(shop: Shop) -> None:
    shop.map(orders=DAILY_ORDERS)
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, ["o1,2024-07-01,paid,GBP"]))
    shop.ingest("orders")
    assert "quarantine list" not in nightshift(shop.root, "status").stdout
