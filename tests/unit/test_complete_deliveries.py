"""A delivery is taken when it is complete, and only if it is what its marker declares."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from shop import Shop, lines

from pipelines import ledger, markers, nights
from pipelines.cli import cli
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.quarantine import Filters
from pipelines.quarantine_retry import retry

ORDERS = "order_id,ordered_at,status,currency"
DAY, NEXT_DAY = date(2024, 7, 1), date(2024, 7, 2)


def _map(shop: Shop, complete: str, uri: str = "orders/{ds}.csv", more: str = "") -> None:
    shop.map(orders=f"{{uri: '{uri}', format: csv, complete: {complete}{more}}}")


def _deliver(shop: Shop, day: date | str, rows: int) -> Path:
    orders = [f"{day}-{number},2024-07-01,paid,GBP" for number in range(rows)]
    return shop.deliver(f"orders/{day}.csv", lines(ORDERS, orders))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _loads(shop: Shop) -> int:
    return len(list(ledger.events(Home(shop.root), "loads/orders")))


def test_a_day_is_late_until_its_marker_is_there(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.done'}")
    _deliver(shop, DAY, 2)
    _deliver(shop, NEXT_DAY, 3)
    shop.deliver(f"orders/{DAY}.done", "")
    assert nights.last_complete_day(shop.settings) == DAY
    late = shop.ingest("orders", first=NEXT_DAY, last=NEXT_DAY)
    assert (late.status, late.late_days) == ("late", (NEXT_DAY,))
    assert late.message == ("1 not complete yet, such as 2024-07-02: its marker orders/{ds}.done is not there")
    report = shop.ingest("orders", first=DAY, last=NEXT_DAY)
    assert (report.status, report.rows_loaded, report.late_days) == ("loaded", 2, (NEXT_DAY,))
    assert nights.missing_feeds(shop.settings, DAY) == []
    assert nights.missing_feeds(shop.settings, NEXT_DAY) == ["orders"]
    shop.deliver(f"orders/{NEXT_DAY}.done", "")
    assert nights.last_complete_day(shop.settings) == NEXT_DAY
    assert shop.ingest("orders", first=DAY, last=NEXT_DAY).rows_loaded == 3
    assert nights.missing_feeds(shop.settings, NEXT_DAY) == []


def test_a_delivery_is_taken_once_it_has_not_changed_for_so_long(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    _map(shop, "{stable_seconds: 60}")
    path = _deliver(shop, DAY, 2)
    changed_at = path.stat().st_ctime
    clock = SimpleNamespace(time=lambda: changed_at + 59.9)
    monkeypatch.setattr(markers, "time", clock)
    report = shop.ingest("orders")
    assert (report.status, report.rows_loaded) == ("late", 0)
    assert report.message.endswith("2024-07-01: it changed less than 60 seconds ago")
    clock.time = lambda: changed_at + 60.0
    assert shop.ingest("orders").rows_loaded == 2


def test_a_file_that_claims_to_be_old_has_still_just_been_written(shop: Shop) -> None:
    _map(shop, "{stable_seconds: 3600}")
    os.utime(_deliver(shop, DAY, 2), (0, 0))
    assert shop.ingest("orders").status == "late"


def test_a_marker_is_still_for_so_long_as_well(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    _map(shop, "{stable_seconds: 60, marker: 'orders/{ds}.done', declares: rows}")
    _deliver(shop, DAY, 2)
    marker = shop.deliver(f"orders/{DAY}.done", "2")
    monkeypatch.setattr(markers, "time", SimpleNamespace(time=lambda: marker.stat().st_ctime + 59))
    assert shop.ingest("orders").status == "late"
    monkeypatch.setattr(markers, "time", SimpleNamespace(time=lambda: marker.stat().st_ctime + 60))
    assert shop.ingest("orders").rows_loaded == 2


@pytest.mark.parametrize("declared", ["5", "5\n", " 5\r\n"])
def test_a_declared_count_is_of_all_rows_whatever_becomes_of_them(shop: Shop, declared: str) -> None:
    # 2 loaded + 1 the same again + 1 refused + 1 that `where` leaves out = 5.
    _map(shop, "{marker: 'done/{ds}', declares: rows}", more=", where: \"order_id <> 'test'\"")
    rows = ["o1,2024-07-01,paid,GBP", "o2,2024-07-01,paid,GBP", "o2,2024-07-01,paid,GBP", "o3,never,paid,GBP"]
    shop.deliver(f"orders/{DAY}.csv", lines(ORDERS, [*rows, "test,2024-07-01,paid,GBP"]))
    shop.deliver(f"done/{DAY}", declared)
    report = shop.ingest("orders")
    assert (report.rows_loaded, report.rows_duplicate, report.rows_quarantined, report.rows_excluded) == (2, 1, 1, 1)


def test_a_count_that_differs_refuses_the_day_by_name(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.done', declares: rows}")
    _deliver(shop, DAY, 998)
    shop.deliver(f"orders/{DAY}.done", "1000")
    with pytest.raises(NightshiftError) as caught:
        shop.ingest("orders")
    assert str(caught.value) == ("orders/2024-07-01.done declares 1,000 rows, the delivery has 998; deliver it again")
    assert shop.raw("orders") == []
    assert _loads(shop) == 0
    assert not (shop.root / "raw/orders/.staging").exists()
    _deliver(shop, DAY, 1000)
    assert shop.ingest("orders").rows_loaded == 1000


def test_the_count_is_that_of_all_the_files_of_the_day(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.done', declares: rows}", uri="orders/{ds}*")
    shop.deliver(f"orders/{DAY}.1.csv", lines(ORDERS, ["a,2024-07-01,paid,GBP", "b,2024-07-01,paid,GBP"]))
    shop.deliver(f"orders/{DAY}.2.csv", lines(ORDERS, ["c,2024-07-01,paid,GBP"]))
    # The uri would take the marker for a file of the delivery.
    shop.deliver(f"orders/{DAY}.done", "3")
    assert shop.ingest("orders").rows_loaded == 3


@pytest.mark.parametrize("declared", ["many", "-1", "3.0", "1,000", "3 rows", "9" * 16, "\ufeff3"])
def test_a_count_that_is_no_number_is_named(shop: Shop, declared: str) -> None:
    _map(shop, "{marker: 'orders/{ds}.done', declares: rows}")
    _deliver(shop, DAY, 3)
    shop.deliver(f"orders/{DAY}.done", declared)
    with pytest.raises(NightshiftError, match=r"^orders/2024-07-01\.done declares no number of rows"):
        shop.ingest("orders")


def test_a_marker_that_is_just_being_written_is_waited_for(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.done', declares: rows}")
    _deliver(shop, DAY, 3)
    shop.deliver(f"orders/{DAY}.done", "")
    report = shop.ingest("orders")
    assert (report.status, report.message[-38:]) == ("late", "its marker orders/2024-07-01.done is empty"[-38:])


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_day_without_a_file_whose_marker_declares_no_rows_is_a_day_without_rows(shop: Shop, format: str) -> None:
    shop.map(
        orders=f"{{uri: 'orders/{{ds}}.{format}', format: {format}, "
        "complete: {marker: 'orders/{ds}.done', declares: rows}}"
    )
    shop.deliver(f"orders/{DAY}.done", "0")
    shop.deliver(f"orders/{NEXT_DAY}.done", "7")
    assert nights.last_complete_day(shop.settings) == DAY
    report = shop.ingest("orders", first=DAY, last=NEXT_DAY)
    assert (report.status, report.days, report.rows_in, report.late_days) == ("loaded", 1, 0, (NEXT_DAY,))
    assert (shop.root / f"raw/orders/ds={DAY}/data.parquet").exists()
    assert shop.raw("orders") == []
    assert nights.missing_feeds(shop.settings, DAY) == []
    assert nights.missing_feeds(shop.settings, NEXT_DAY) == ["orders"]
    assert shop.ingest("orders", first=DAY, last=DAY).status == "unchanged"


def test_days_with_and_without_a_file_load_together_and_a_withdrawn_file_empties_its_day(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.done', declares: rows}")
    path = _deliver(shop, DAY, 2)
    shop.deliver(f"orders/{DAY}.done", "2")
    shop.deliver(f"orders/{NEXT_DAY}.done", "0")
    assert (shop.ingest("orders").days, len(shop.raw("orders"))) == (2, 2)
    path.unlink()
    shop.deliver(f"orders/{DAY}.done", "0")
    assert (shop.ingest("orders").days, shop.raw("orders")) == (1, [])
    event = ledger.latest(Home(shop.root), "loads/orders")
    assert event is not None
    assert event["partitions"][0]["touched"] == ["2024-07-01"]


def test_a_marker_that_changes_alone_loads_nothing_again_nor_does_another_rule(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.done', declares: rows}")
    _deliver(shop, DAY, 2)
    shop.deliver(f"orders/{DAY}.done", "2")
    assert shop.ingest("orders").status == "loaded"
    shop.deliver(f"orders/{DAY}.done", "2\n")
    assert shop.ingest("orders").status == "unchanged"
    _map(shop, "{marker: 'orders/{ds}.done'}")
    assert shop.ingest("orders").status == "unchanged"
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    assert shop.ingest("orders").status == "unchanged"
    assert _loads(shop) == 1


@pytest.mark.parametrize("name", ["{name}", "./{name}", "orders/{name}", "*{name}"])
def test_declared_hashes_are_those_of_the_files(shop: Shop, name: str) -> None:
    """As sha256sum writes them: beside the files, from the folder above, in its binary mode (an asterisk)."""
    _map(shop, "{marker: 'orders/{ds}.sha256', declares: sha256}")
    path = _deliver(shop, DAY, 2)
    sign, plain = ("*", name[1:]) if name.startswith("*") else (" ", name)
    other = f"{'0' * 64}  lines/{DAY}.csv\r\n{'1' * 64}  {NEXT_DAY}.csv\n"
    marker = shop.deliver(f"orders/{DAY}.sha256", f"{_sha256(path)} {sign}{plain.format(name=path.name)}\n{other}")
    assert shop.ingest("orders").rows_loaded == 2
    marker.write_text(marker.read_text().replace(_sha256(path), "a" * 64))
    _deliver(shop, DAY, 3)
    with pytest.raises(NightshiftError) as caught:
        shop.ingest("orders")
    assert str(caught.value) == (
        "orders/2024-07-01.csv: its SHA-256 is not the one that orders/2024-07-01.sha256 declares; deliver it again"
    )
    assert len(shop.raw("orders")) == 2, "the day stays as it was loaded before"


def test_a_list_of_hashes_names_every_file_and_no_other(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.sha256', declares: sha256}", uri="orders/{ds}*.csv")
    first = shop.deliver(f"orders/{DAY}.1.csv", lines(ORDERS, ["a,2024-07-01,paid,GBP"]))
    second = shop.deliver(f"orders/{DAY}.2.csv", lines(ORDERS, ["b,2024-07-01,paid,GBP"]))
    one = f"{_sha256(first)}  {first.name}\n"
    shop.deliver(f"orders/{DAY}.sha256", one)
    with pytest.raises(NightshiftError, match=r"^orders/2024-07-01\.sha256 does not name orders/2024-07-01\.2\.csv;"):
        shop.ingest("orders")
    shop.deliver(f"orders/{DAY}.sha256", one + f"{_sha256(second)}  {second.name}\n")
    second.unlink()
    with pytest.raises(NightshiftError, match=r"sha256 names orders/2024-07-01\.2\.csv, which is not there; deliver"):
        shop.ingest("orders")
    assert _loads(shop) == 0


def test_a_name_with_a_line_end_is_read_as_sha256sum_escapes_it(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.sha256', declares: sha256}", uri="orders/{ds}*")
    path = _deliver(shop, f"{DAY}\\odd\nname", 1)
    shop.deliver(f"orders/{DAY}.sha256", f"\\{_sha256(path)}  {DAY}\\\\odd\\nname.csv\n")
    assert shop.ingest("orders").rows_loaded == 1


@pytest.mark.parametrize("text", ["no hash\n", "\n", f"{'a' * 63}  x.csv\n", f"{'a' * 64}\n"])
def test_a_line_that_is_none_of_sha256sum_is_named(shop: Shop, text: str) -> None:
    _map(shop, "{marker: 'orders/{ds}.sha256', declares: sha256}")
    path = _deliver(shop, DAY, 1)
    shop.deliver(f"orders/{DAY}.sha256", f"{_sha256(path)}  {path.name}\n{text}")
    with pytest.raises(NightshiftError, match=r"^orders/2024-07-01\.sha256: line 2 is none of sha256sum"):
        shop.ingest("orders")


def test_a_marker_larger_than_any_list_or_out_of_the_landing_folder_is_refused(shop: Shop, tmp_path: Path) -> None:
    _map(shop, "{marker: 'orders/{ds}.done', declares: rows}")
    _deliver(shop, DAY, 1)
    marker = shop.deliver(f"orders/{DAY}.done", " " * (1 << 20) + "1")
    with pytest.raises(NightshiftError, match=r"^orders/2024-07-01\.done: a marker of more than 1 MiB is none$"):
        shop.ingest("orders")
    marker.unlink()
    (tmp_path / "secret").write_text("1")
    marker.symlink_to(tmp_path / "secret")
    with pytest.raises(NightshiftError, match=r"^orders/2024-07-01\.done: it is a link out of the landing folder"):
        shop.ingest("orders")


def test_bulk_history_has_one_marker_that_counts_all_its_days(shop: Shop) -> None:
    _map(shop, "{marker: history.done, declares: rows}", uri="history/*.csv")
    shop.deliver("history/1.csv", lines(ORDERS, ["a,2024-07-01,paid,GBP", "b,2024-07-02,paid,GBP"]))
    shop.deliver("history/2.csv", lines(ORDERS, ["c,2024-07-03,paid,GBP", "d,never,paid,GBP"]))
    assert shop.ingest("orders").message == "1 not complete yet: its marker history.done is not there"
    marker = shop.deliver("history.done", "3")
    with pytest.raises(NightshiftError, match=r"^history\.done declares 3 rows, the delivery has 4; deliver it again$"):
        shop.ingest("orders")
    marker.write_text("4")
    assert shop.ingest("orders").rows_loaded == 3


def test_sources_check_tries_the_newest_complete_day_and_says_what_it_waits_for(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.sha256', declares: sha256}")
    path = _deliver(shop, DAY, 2)
    _deliver(shop, NEXT_DAY, 3)

    def check() -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["sources", "check", "--home", str(shop.root)])
        return done.exit_code, done.output

    status, said = check()
    assert status == 1
    assert "feeds.orders.complete: 2 not complete yet, such as 2024-07-01: its marker" in said
    shop.deliver(f"orders/{DAY}.sha256", f"{_sha256(path)}  {path.name}\n")
    status, said = check()
    assert status == 0
    assert "orders: ok; orders/2024-07-01.csv, first rows in 2" in said
    assert "orders: 1 not complete yet, such as 2024-07-02: its marker" in said
    shop.deliver(f"orders/{DAY}.sha256", f"{'a' * 64}  {path.name}\n")
    status, said = check()
    assert status == 1
    assert "orders/2024-07-01.csv: its SHA-256 is not the one" in said


def test_a_retry_leaves_a_day_that_is_being_delivered_again(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.done'}")
    shop.deliver(f"orders/{DAY}.csv", lines(ORDERS, ["a,2024-07-01,paid,GBP", "b,never,paid,GBP"]))
    marker = shop.deliver(f"orders/{DAY}.done", "")
    assert shop.ingest("orders").rows_quarantined == 1
    marker.unlink()
    (tried,) = retry(shop.settings, Filters(), "nightshift test", print)
    assert dict(tried.left) == {DAY: "not complete yet: its marker orders/{ds}.done is not there"}


def test_the_note_is_one_line_however_many_days_wait(shop: Shop) -> None:
    _map(shop, "{marker: 'orders/{ds}.done'}")
    for day in range(1, 21):
        _deliver(shop, f"2024-07-{day:02}", 1)
    shop.deliver(f"orders/{DAY}.done", "")
    said: list[str] = []
    nights.ingest(shop.settings, ["orders"], None, None, said.append)
    assert said[0] == "orders: 19 not complete yet, such as 2024-07-02: its marker orders/{ds}.done is not there"
    assert len([line for line in said if "complete" in line]) == 1
