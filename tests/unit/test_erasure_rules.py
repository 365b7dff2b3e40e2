"""An erased customer leaves raw/, quarantine and the spool, stays out of later loads, and no book is out of balance."""

from __future__ import annotations

import json
import os
import random
import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from canary import (
    CANARIES,
    CANARY_DAYS,
    CUSTOMER,
    EMAIL,
    SHARED_VISITOR,
    VISITOR,
    canary_shop,
    deliver_day,
    mentions,
)
from kills import killed_at
from shop import Shop, lines, nightshift

from pipelines import erasure, ledger, rewriting, suppression
from pipelines.erasure import Receipt, erase, is_pending
from pipelines.errors import HomeBusyError, NightshiftError, UsageError
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.key_rotation import rotate_key
from pipelines.scratch import connected

BOUGHT = CANARY_DAYS[1]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = canary_shop(tmp_path_factory.mktemp("canary") / "home")
    for feed in FEEDS:
        shop.ingest(feed)
    return shop.root


@pytest.fixture
def shop(loaded: Path, tmp_path: Path) -> Shop:
    root = tmp_path / "home"
    shutil.copytree(loaded, root)
    return Shop(root, feeds={})


def _erase(shop: Shop, customer: str = CUSTOMER, is_removing: bool = False) -> Receipt:
    return erase(shop.settings, customer, "nightshift 1", is_removing, lambda line: None)[0]


def _outside_landing(shop: Shop) -> list[tuple[str, str]]:
    return [found for found in mentions(shop.root) if not found[0].startswith("landing/")]


def _files(shop: Shop, *folders: str) -> dict[str, bytes]:
    paths = (path for folder in folders for path in sorted((shop.root / folder).rglob("*")) if path.is_file())
    return {path.relative_to(shop.root).as_posix(): path.read_bytes() for path in paths}


def test_a_partition_of_an_earlier_contract_is_erased_too(shop: Shop) -> None:
    loaded = {feed: ledger.partitions(Home(shop.root), feed) for feed in ("customers", "orders")}
    missing = {"customers": ("attributes", "email", "is_deleted"), "orders": ("channel", "is_deleted")}
    for feed, columns in missing.items():
        for ds in loaded[feed]:
            shop.without_columns(feed, ds, *columns)
    _erase(shop)
    assert _outside_landing(shop) == []
    for feed in loaded:
        for ds, part in ledger.partitions(Home(shop.root), feed).items():
            before = loaded[feed][ds]
            assert part.rows_in + part.rows_excluded == before.rows_in + before.rows_excluded


def test_the_search_finds_the_canary_before_it_is_erased(shop: Shop) -> None:
    places = {path.split("/")[0] for path, _ in mentions(shop.root)}
    assert places == {"landing", "raw", "quarantine"}
    # E-mail and telephone number never came in.
    assert {value for _, value in _outside_landing(shop)} == set(CANARIES) - {
        EMAIL,
        "canary.bird",
        "7700 900773",
        "7700900773",
    }


def test_nothing_outside_of_landing_names_the_person(shop: Shop) -> None:
    receipt = _erase(shop)
    assert _outside_landing(shop) == []
    # Each of two days: an order, a guest's order under the same address; a customer row; a click with the id and one
    # without, and one of a visitor id that others have too; a refused order and a broken line. Once two returns.
    assert receipt.raw == {
        "orders": {"partitions": 2, "removed": 0, "stripped": 4},
        "returns": {"partitions": 1, "removed": 0, "stripped": 2},
        "customers": {"partitions": 2, "removed": 2, "stripped": 0},
        "events": {"partitions": 2, "removed": 6, "stripped": 0},
        "cart_messages": {"partitions": 2, "removed": 2, "stripped": 0},
    }
    assert receipt.quarantine_rows == 4
    texts = shop.quarantined("events", "raw_text, line", "ds") + shop.quarantined("orders", "raw_text, line", "ds")
    assert texts == [("[erased]", 8), ("[erased]", 8), ("[erased]", 6), ("[erased]", 6)]


def test_orders_and_returns_stay_and_the_clicks_of_others_too(shop: Shop) -> None:
    orders, returned = shop.raw("orders", "order_id"), shop.raw("returns", "return_id, quantity")
    _erase(shop)
    assert shop.raw("orders", "order_id") == orders
    assert shop.raw("returns", "return_id, quantity") == returned
    day = str(BOUGHT)
    rows = shop.raw("orders", "order_id, customer_id, email is null", "ds, order_id")
    assert [row for row in rows if row[0].startswith(day)] == [
        (f"{day}-1", "c1", False),
        (f"{day}-2", "c2", False),
        (f"{day}-8", None, True),
        (f"{day}-9", None, True),
    ]
    assert shop.raw("returns", "return_id, reason") == [("r1", "too small"), ("r8", None), ("r9", None)]
    shared = [row for row in shop.raw("events", "visitor_id, event_id, customer_id") if row[0] == SHARED_VISITOR]
    assert [row[1:] for row in shared if row[1].startswith(day)] == [(f"{day}-12", "c1"), (f"{day}-13", None)]


def test_row_accounting_and_the_ledger_hold(shop: Shop) -> None:
    home = Home(shop.root)
    before = {feed: ledger.partitions(home, feed) for feed in FEEDS}
    _erase(shop)
    for feed, parts in before.items():
        now = ledger.partitions(home, feed)
        assert list(now) == list(parts)
        for ds, part in now.items():
            path = shop.root / f"raw/{feed}/ds={ds}/data.parquet"
            assert part.rows_in == part.rows_loaded + part.rows_duplicate + part.rows_quarantined
            assert part.rows_in + part.rows_excluded == parts[ds].rows_in + parts[ds].rows_excluded
            assert (part.sha256, part.rows_loaded) == (ledger.file_sha256(path), pq.read_metadata(path).num_rows)
            assert part.fingerprint == parts[ds].fingerprint
    event = ledger.latest(home, "loads/events")
    assert event is not None
    assert [(entry["ds"], entry["touched"]) for entry in event["partitions"]] == [
        ("2024-05-04", ["2024-05-04"]),
        ("2024-05-06", ["2024-05-06"]),
    ]


def test_a_load_gives_what_the_erasure_left(shop: Shop) -> None:
    """The rule at the door and the rule in raw/ are one: the same deliveries loaded again give the same bytes."""
    _erase(shop)
    left = _files(shop, "raw")
    for feed in FEEDS:
        assert shop.ingest(feed).status == "unchanged"
        assert shop.ingest(feed, again=True).status == "loaded"
    assert _files(shop, "raw") == left
    assert _outside_landing(shop) == []


def test_late_rows_and_deliveries_stay_out(shop: Shop) -> None:
    _erase(shop)
    late = date(2024, 5, 9)
    deliver_day(shop, late, is_canary_day=True)
    deliver_day(shop, date(2024, 5, 8), is_canary_day=True)
    for feed in FEEDS:
        shop.ingest(feed)
    assert _outside_landing(shop) == []
    part = ledger.partitions(Home(shop.root), "events")[late]
    # Two clicks of others, two of the shared visitor, a broken line; the canary's three are left out.
    assert (part.rows_in, part.rows_loaded, part.rows_quarantined, part.rows_excluded) == (5, 4, 1, 3)


def test_landing_files_are_named_and_go_only_when_asked_for(shop: Shop) -> None:
    landing = _files(shop, "landing")
    shop.deliver("notes/calls.txt", f"spoke to {CUSTOMER}.\n")
    named = sorted({path for path, _ in mentions(shop.root) if path.startswith("landing/")})
    receipt = _erase(shop)
    assert sorted(receipt.remains) == named
    assert "landing/notes/calls.txt" in named
    assert {path: content for path, content in _files(shop, "landing").items() if path in landing} == landing
    receipt = _erase(shop, is_removing=True)
    assert [f"landing/{name}" for name in receipt.landing_removed] == named
    assert (mentions(shop.root), receipt.remains, receipt.raw) == ([], {}, {})
    assert len(_files(shop, "landing")) == len(landing) - len(named) + 1
    assert shop.ingest("orders").status == "unchanged"


def test_deliveries_that_name_another_erased_person_are_left_to_that_person(shop: Shop) -> None:
    day = date(2024, 5, 9)
    columns = "order_id,customer_id,ordered_at,status,currency,email"
    shop.deliver(f"orders/{day}.csv.gz", lines(columns, [f"{day}-1,c9-unique,{day},paid,GBP,z@example.org"]))
    shop.ingest("orders")
    of_the_canary = set(_erase(shop).remains)
    receipt = _erase(shop, "c9-unique")
    assert set(receipt.remains) == {f"landing/orders/{day}.csv.gz"}
    assert _erase(shop, "c9-unique", is_removing=True).landing_removed == [f"orders/{day}.csv.gz"]
    assert {f"landing/{name}" for name in _erase(shop, is_removing=True).landing_removed} == of_the_canary


def test_a_delivery_that_cannot_be_read_is_no_proof_of_absence(shop: Shop) -> None:
    shop.deliver("orders/2024-05-09.csv.gz", "").write_bytes(b"\x1f\x8b broken")
    receipt = _erase(shop, is_removing=True)
    assert receipt.remains == {
        "landing/orders/2024-05-09.csv.gz": "it cannot be read, so whether it names the person is not known"
    }
    assert mentions(shop.root / "raw") == []


def test_odd_files_in_landing_are_named_and_end_no_erasure(shop: Shop) -> None:
    orders, notes = shop.root / "landing" / "orders", shop.root / "landing" / "notes"
    (orders / "2024-05-30.csv.gz").symlink_to("/nowhere")
    (orders / "2024-05-31.csv.gz").mkdir()
    shop.deliver("orders/2026-02-30.csv.gz", lines("order_id,ordered_at,status,currency", []))
    # What no feed reads: a broken archive, and a name that is no text.
    shop.deliver("notes/calls.csv.gz", "").write_bytes(b"\x1f\x8b broken")
    pq.write_table(pa.table({"note": ["none"]}), notes / "plain.parquet")
    (notes / "plain.parquet").rename(os.fsdecode(os.fsencode(notes) + b"/\xff.parquet"))
    odd = {"orders/2024-05-30.csv.gz", "orders/2024-05-31.csv.gz", "orders/2026-02-30.csv.gz"}
    odd |= {"notes/calls.csv.gz", "notes/\udcff.parquet"}
    receipt = _erase(shop, is_removing=True)
    assert receipt.remains == {
        f"landing/{name}": "it cannot be read, so whether it names the person is not known" for name in odd
    }
    assert mentions(shop.root / "raw") == mentions(orders) == []
    assert not is_pending(Home(shop.root))


@pytest.mark.parametrize("place", [50_000, 131_072 - 4, 131_072 - 6])
def test_an_id_is_found_where_the_search_cuts_the_text(shop: Shop, place: int) -> None:
    # Such an archive is unpacked 128 KiB at a time, and in pieces of no length between.
    text = bytearray(random.Random(place).randbytes(100_000).hex().encode())
    text[place : place + len(CUSTOMER) + 2] = f" {CUSTOMER} ".encode()
    path = shop.deliver("notes/calls.csv.zst", "")
    path.write_bytes(zstandard.compress(bytes(text) + b"\n"))
    assert "landing/notes/calls.csv.zst" in _erase(shop).remains


def test_what_does_not_fit_into_memory_spills_below_the_home(shop: Shop) -> None:
    home, settings = Home(shop.root), shop.settings.model_copy(update={"memory_limit": "64MB", "threads": 1})
    with connected(home, settings) as connection:
        # Two million hashes of 64 characters are twice as much.
        connection.execute("create temp table t as select sha256(range::VARCHAR) as hash from range(2_000_000)")
        spilled = [Path(path) for (path,) in connection.execute("select path from duckdb_temporary_files()").fetchall()]
    assert spilled
    assert all(path.is_relative_to(shop.root) and not path.exists() for path in spilled)


def test_the_receipt_and_the_command_name_nobody(shop: Shop) -> None:
    done = nightshift(shop.root, "erase", "--customer", CUSTOMER)
    assert done.returncode == 0
    assert "STILL THERE: landing/orders/2024-05-06.csv.gz" in done.stdout
    assert not [value for value in CANARIES if value.lower() in (done.stdout + done.stderr).lower()]
    (path,) = (shop.root / "erasures").iterdir()
    receipt = json.loads(path.read_text())
    event = ledger.latest(Home(shop.root), "erasures")
    assert event is not None
    assert {name: event[name] for name in receipt} == receipt
    assert receipt["customer"] in suppression.read(Home(shop.root))["customer_id"]


def test_erasing_twice_changes_nothing(shop: Shop) -> None:
    _erase(shop)
    left = _files(shop, "raw", "quarantine", "suppressed", "ledger/loads")
    receipt = _erase(shop)
    assert (receipt.raw, receipt.quarantine_rows, receipt.is_resumed) == ({}, 0, False)
    assert _files(shop, "raw", "quarantine", "suppressed", "ledger/loads") == left
    assert not is_pending(Home(shop.root))


def test_a_customer_that_nobody_knows_is_kept_out_as_well(shop: Shop) -> None:
    left = _files(shop, "raw", "quarantine")
    receipt = _erase(shop, "newcomer-1")
    assert (receipt.raw, receipt.remains) == ({}, {})
    assert _files(shop, "raw", "quarantine") == left
    shop.deliver("customers/2024-06-10.jsonl", '{"customer_id": "newcomer-1", "created_at": "2024-06-10"}\n')
    assert shop.ingest("customers").rows_excluded == 1


def test_a_rotated_key_keeps_erased_people_out(shop: Shop) -> None:
    _erase(shop)
    old = suppression.read(Home(shop.root))
    rotate_key(shop.settings, "nightshift 1", lambda line: None)
    new = suppression.read(Home(shop.root))
    assert {kind: len(hashes) for kind, hashes in new.items()} == {kind: len(hashes) for kind, hashes in old.items()}
    assert not any(new[kind] & old[kind] for kind in old)
    for feed in ("customers", "orders", "events", "returns"):
        shop.ingest(feed, again=True)
    assert _outside_landing(shop) == []
    _erase(shop)
    assert len(list((shop.root / "suppressed").glob("*.json"))) == 1


def test_a_rotation_after_an_erasure_that_broke_off_rotates_all_the_same(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = rewriting.move_durably

    def broken_off(beside: Path, path: Path) -> None:
        # The plan is written, and the first of the files it lists about to be swapped in.
        if beside != path and rewriting.plan_file(Home(shop.root)).exists():
            raise KeyboardInterrupt
        move(beside, path)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(rewriting, "move_durably", broken_off)
        _erase(shop)
    said: list[str] = []
    rotation = rotate_key(shop.settings, "nightshift 1", said.append)
    assert said[0].startswith("the change that had broken off is finished, that of: nightshift erase --customer")
    # Eight days of orders and eight of customers: the feeds that have hashes.
    assert (rotation.secrets, rotation.partitions) == (2, 16)
    assert len(Home(shop.root).key_file.read_text().split()) == 2
    assert mentions(shop.root / "raw") == []
    assert _erase(shop).is_resumed
    assert _outside_landing(shop) == []


def test_ids_that_are_plain_numbers_are_told_by_their_column(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "numbers")
    shop.map(
        orders="{uri: 'orders/{ds}.csv', format: csv, select: {order_id: id, customer_id: cust, ordered_at: day, "
        "status: \"'paid'\", currency: \"'GBP'\", discount_amount: discount}}"
    )
    shop.deliver("orders/2024-07-01.csv", lines("id,cust,day,discount", ["17,4,2024-07-01,17"]))
    shop.deliver("orders/2024-07-02.csv", lines("id,cust,day,discount", ["18,17,2024-07-02,4"]))
    shop.ingest("orders")
    receipt = _erase(shop, "17", is_removing=True)
    assert receipt.landing_removed == ["orders/2024-07-02.csv"]
    assert shop.raw("orders", "order_id, customer_id", "order_id") == [("17", "4"), ("18", None)]


def test_bulk_history_loses_the_person_and_is_not_loaded_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "bulk")
    shop.map(customers="{uri: people.csv, format: csv}")
    people = [f"c{n},c{n}@example.org,2024-07-0{n}" for n in (1, 2, 3)]
    shop.deliver("people.csv", lines("customer_id,email,created_at", people))
    shop.ingest("customers")
    _erase(shop, "c2")
    assert shop.raw("customers", "customer_id") == [("c1",), ("c3",)]
    left = _files(shop, "raw")
    assert shop.ingest("customers").status == "unchanged"
    shop.ingest("customers", again=True)
    assert _files(shop, "raw") == left


def test_tables_that_name_a_person_are_found_by_their_columns(shop: Shop) -> None:
    """Planted, since today's tables name nobody: risks by order line keep their row, carts of a visitor go."""
    home = Home(shop.root)
    risk = pa.table({"order_line_id": ["l1", "l2"], "customer_id": [CUSTOMER, "c1"], "p": [0.5, 0.25]})
    cart = pa.table(
        {"cart_id": ["k1", "k2", "k3"], "visitor_id": [VISITOR, "v", "w"], "customer_id": [None, "c1", None]}
    )
    plain = pa.table({"sku": [CUSTOMER[:4], "s"], "units": [1, 2]})
    places = {
        home.predictions / "returns" / "as_of=2024-06-01" / "data.parquet": risk,
        home.decisions / "assignments" / "2024-06-01.parquet": cart,
        home.predictions / "demand" / "as_of=2024-06-01" / "data.parquet": plain,
        home.snapshots / "0123456789abcdef" / "feat_cart.parquet": cart,
        home.snapshots / "fedcba9876543210" / "feat_sku_day.parquet": plain,
        home.exports / "cart_recovery" / "v1" / "as_of=2024-06-01" / "cart_recovery-old.parquet": cart,
    }
    for path, table in places.items():
        path.parent.mkdir(parents=True)
        pq.write_table(table, path)
    root = home.exports / "cart_recovery" / "v1"
    keys = pa.table({"change": ["inserted", "deleted"], "visitor_id": [VISITOR, "w"]})
    pq.write_table(keys, root / "as_of=2024-06-01" / "cart_recovery-old.delta.parquet")
    (root / "as_of=2024-06-01" / "cart_recovery-old.csv").write_text(f"cart_id,visitor_id\nk1,{VISITOR}\n")
    manifest = {
        "table": "cart_recovery",
        "row_count": 3,
        "files": [
            {"name": "cart_recovery-old.parquet", "rows": 3},
            {"name": "cart_recovery-old.csv", "rows": 3, "format": "csv"},
        ],
        "delta": {"file": {"name": "cart_recovery-old.delta.parquet", "rows": 2}},
    }
    (root / "as_of=2024-06-01" / "manifest.json").write_text(json.dumps(manifest))
    latest = {"as_of": "2024-06-01", "manifest": "as_of=2024-06-01/manifest.json", "manifest_sha256": "?"}
    (root / "latest.json").write_text(json.dumps(latest))
    untouched = _files(shop, "predictions/demand", "snapshots/fedcba9876543210")

    receipt = _erase(shop)
    assert _outside_landing(shop) == []
    assert pq.read_table(next(home.predictions.glob("returns/*/data.parquet")), partitioning=None).to_pylist() == [
        {"order_line_id": "l1", "customer_id": None, "p": 0.5},
        {"order_line_id": "l2", "customer_id": "c1", "p": 0.25},
    ]
    assert _files(shop, "predictions/demand", "snapshots") == untouched
    assert pq.read_table(home.decisions / "assignments" / "2024-06-01.parquet")["cart_id"].to_pylist() == ["k2", "k3"]
    assert receipt.snapshots_removed == ["0123456789abcdef"]
    assert "snapshots/0123456789abcdef" in receipt.no_longer_reproducible
    written = json.loads((root / "as_of=2024-06-01" / "manifest.json").read_text())
    rows, text = written["files"]
    changed = written["delta"]["file"]
    assert {path.name for path in (root / "as_of=2024-06-01").iterdir()} == {
        "manifest.json",
        *(file["name"] for file in (rows, text, changed)),
    }
    for file, kept in ((rows, 2), (text, 2), (changed, 1)):
        path = root / "as_of=2024-06-01" / file["name"]
        told = (file["rows"], file["bytes"], file["sha256"])
        assert told == (kept, path.stat().st_size, ledger.file_sha256(path))
        assert VISITOR.encode() not in path.read_bytes()
    read = root / "as_of=2024-06-01" / rows["name"]
    assert pq.read_table(read, partitioning=None)["cart_id"].to_pylist() == ["k2", "k3"]
    lines = (root / "as_of=2024-06-01" / text["name"]).read_text().splitlines()
    assert lines == ["cart_id,visitor_id,customer_id", "k2,v,c1", "k3,w,"]
    assert (written["row_count"], written["erasures"]) == (2, [{"customer": receipt.customer, "rows": 1}])
    told = json.loads((root / "latest.json").read_text())["manifest_sha256"]
    assert told == ledger.file_sha256(root / "as_of=2024-06-01" / "manifest.json")


def test_an_erasure_that_broke_off_shows_in_the_status(shop: Shop) -> None:
    done = killed_at(
        "from pipelines.erasure import erase; from pipelines.settings import Settings; "
        f"erase(Settings.load(home=home), '{CUSTOMER}', 'nightshift 1', False, print)",
        shop.root,
        12,
    )
    assert done.returncode == -9
    assert "run it again: nightshift erase --customer" in nightshift(shop.root, "status").stdout
    assert _erase(shop).is_resumed
    assert "run it again" not in nightshift(shop.root, "status").stdout


def test_one_that_broke_off_stays_open_while_others_are_erased(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_off(*arguments: object) -> None:
        raise KeyboardInterrupt

    home = Home(shop.root)
    for customer in (CUSTOMER, "c1"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(erasure, "_clean", broken_off)
            _erase(shop, customer)
    assert not _erase(shop, "c2").is_resumed
    assert is_pending(home)
    assert _erase(shop, "c1").is_resumed
    assert is_pending(home)
    rotate_key(shop.settings, "nightshift 1", lambda line: None)
    assert _erase(shop).is_resumed
    assert not is_pending(home)


def test_a_key_that_is_refused_opens_no_erasure(shop: Shop) -> None:
    home = Home(shop.root)
    home.key_file.write_text("ab" * 32)
    with pytest.raises(NightshiftError, match="restore that key"):
        _erase(shop)
    assert not is_pending(home)
    assert not list(home.root.glob("suppressed/*"))


@pytest.mark.parametrize("feed", ["orders", "order_lines"])
def test_a_damaged_partition_is_named_before_anything_changes(shop: Shop, feed: str) -> None:
    shop.root.joinpath(f"raw/{feed}/ds=2024-05-02/data.parquet").write_bytes(b"x" * 100)
    left = _files(shop, "raw", "quarantine", "ledger")
    remedy = f"nightshift ingest {feed} --from 2024-05-02 --to 2024-05-02 --again"
    with pytest.raises(NightshiftError, match=rf"{feed}/ds=2024-05-02/data.parquet is not what .*{remedy}"):
        _erase(shop)
    assert _files(shop, "raw", "quarantine", "ledger") == left
    shop.ingest(feed, again=True)
    _erase(shop)
    assert _outside_landing(shop) == []


def test_a_partition_that_the_ledger_does_not_know_is_named(shop: Shop) -> None:
    known = shop.root / "raw/orders/ds=2024-05-04/data.parquet"
    unknown = shop.root / "raw/orders/ds=2024-06-04/data.parquet"
    unknown.parent.mkdir()
    shutil.copy(known, unknown)
    with pytest.raises(NightshiftError, match=r"orders/ds=2024-06-04/data\.parquet is not in the ledger"):
        _erase(shop)
    unknown.unlink()
    _erase(shop)
    assert _outside_landing(shop) == []


@pytest.mark.parametrize("name", ["quarantine/orders/ds=2024-05-04/data.parquet", "predictions/demand/data.parquet"])
def test_another_damaged_file_is_named_and_the_erasure_goes_on_without_it(shop: Shop, name: str) -> None:
    path = shop.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 100)
    with pytest.raises(NightshiftError, match=rf"{name}: cannot be searched .*; if it is damaged, restore it"):
        _erase(shop)
    path.unlink()
    assert _erase(shop).is_resumed
    assert _outside_landing(shop) == []


def test_calls_that_cannot_be_served_say_so(shop: Shop) -> None:
    with pytest.raises(UsageError, match="--customer is empty"):
        _erase(shop, " ")
    home = Home(shop.root)
    with home.held("night of 2024-06-09", 30, 0):
        pass
    settings = shop.settings.model_copy(update={"lock_wait_seconds": 0.0})
    with pytest.raises(HomeBusyError, match="held by night of 2024-06-09"):
        erase(settings, CUSTOMER, "nightshift 1", False, lambda line: None)
    assert not is_pending(home)
