"""A secret more for the personal-data hash: people keep one identity, the old secret alone opens nothing."""

from __future__ import annotations

import hashlib
import hmac
import threading
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock
from shop import Shop, lines, nightshift

from pipelines import key_rotation, ledger
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.ingest import ingest
from pipelines.key_rotation import rotate_key

ORDERS = "order_id,customer_id,ordered_at,status,currency,email"
CUSTOMERS = "customer_id,email,phone,created_at"
FIRST, SECOND = date(2024, 7, 1), date(2024, 7, 2)


def _keyed(text: str, *secrets: str) -> str:
    """The chain as RFC 2104 and Python have it."""
    for secret in secrets:
        text = hmac.new(bytes.fromhex(secret), text.encode(), hashlib.sha256).hexdigest()
    return text


def _secrets(shop: Shop) -> list[str]:
    return Home(shop.root).key_file.read_text().split()


def _rotate(shop: Shop) -> int:
    return rotate_key(shop.settings, "nightshift 1", lambda line: None).partitions


@pytest.fixture
def people(shop: Shop) -> Shop:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}", customers="{uri: history.csv, format: csv}")
    row = "o1,c1,2024-07-01,paid,GBP,Ada@example.org"
    shop.deliver("orders/2024-07-01.csv", lines(ORDERS, [row, "o2,,2024-07-01,paid,GBP,", "o2,,never,paid,GBP,"]))
    shop.deliver("orders/2024-07-02.csv", lines(ORDERS, ["o3,c2,2024-07-02,paid,GBP,bob@example.org"]))
    shop.deliver("history.csv", lines(CUSTOMERS, ["c1,ada@example.org,020 7946,2024-07-01", "c2,,,2024-06-01"]))
    shop.ingest("orders")
    shop.ingest("customers")
    return shop


def test_hashes_become_a_chain_and_people_keep_one_identity(people: Shop) -> None:
    (old,) = _secrets(people)
    # Two days of orders, two days in the history of customers.
    assert _rotate(people) == 4
    first, second = _secrets(people)
    assert first == old != second
    ada = _keyed("ada@example.org", first, second)
    bob = _keyed("bob@example.org", first, second)
    assert people.raw("orders", "order_id, email") == [("o1", ada), ("o2", None), ("o3", bob)]
    assert people.raw("customers", "email, phone") == [(ada, _keyed("020 7946", first, second)), (None, None)]
    # What comes in later is hashed by the same chain; a third secret goes on with it.
    people.deliver("orders/2024-07-03.csv", lines(ORDERS, ["o4,c1,2024-07-03,paid,GBP,ADA@example.org"]))
    people.ingest("orders")
    assert people.raw("orders", "email", "order_id")[-1] == (ada,)
    _rotate(people)
    third = _keyed(ada, _secrets(people)[2])
    assert people.raw("orders", "email", "order_id") == [
        (third,),
        (None,),
        (_keyed("bob@example.org", *_secrets(people)),),
        (third,),
    ]


def test_a_partition_of_an_earlier_contract_is_hashed_in_the_columns_it_has(people: Shop) -> None:
    (old,) = _secrets(people)
    people.without_columns("customers", FIRST, "phone", "is_deleted")
    people.without_columns("orders", SECOND, "email")
    assert _rotate(people) == 4
    _, second = _secrets(people)
    held = people.root / f"raw/customers/ds={FIRST}/data.parquet"
    rows = duckdb.sql(f"from read_parquet('{held}', hive_partitioning=false)")
    assert not {"phone", "is_deleted"} & set(rows.columns)
    assert rows.select("email").fetchall() == [(_keyed("ada@example.org", old, second),)]
    held = people.root / f"raw/orders/ds={SECOND}/data.parquet"
    rows = duckdb.sql(f"from read_parquet('{held}', hive_partitioning=false)")
    assert "email" not in rows.columns
    assert rows.select("order_id").fetchall() == [("o3",)]


def test_a_rotated_partition_has_the_bytes_of_one_loaded_under_the_new_key(people: Shop, tmp_path: Path) -> None:
    _rotate(people)
    other = Shop(tmp_path / "other")
    Home(other.root).key_file.write_bytes(Home(people.root).key_file.read_bytes())
    other.map(**people.feeds)
    for path in people.settings.landing_folder.rglob("*.csv"):
        other.deliver(path.relative_to(people.settings.landing_folder).as_posix(), path.read_text())
    for feed in ("orders", "customers"):
        other.ingest(feed)
        partitions = ledger.partitions(Home(people.root), feed)
        assert len(partitions) == 2
        for ds, part in ledger.partitions(Home(other.root), feed).items():
            name = f"raw/{feed}/ds={ds}/data.parquet"
            assert (people.root / name).read_bytes() == (other.root / name).read_bytes()
            mine = partitions[ds]
            assert (mine.sha256, mine.fingerprint) == (part.sha256, part.fingerprint)
            assert (mine.rows_in, mine.rows_loaded, mine.rows_quarantined) == (
                part.rows_in,
                part.rows_loaded,
                part.rows_quarantined,
            )


def test_the_ledger_says_what_changed_and_the_same_deliveries_change_nothing(people: Shop) -> None:
    home = Home(people.root)
    names = {feed: ledger.delivered_names(home, feed) for feed in ("orders", "customers")}
    before = len(list(ledger.events(home, "loads/orders")))
    _rotate(people)
    event = ledger.latest(home, "loads/orders")
    assert event is not None
    assert len(list(ledger.events(home, "loads/orders"))) == before + 1
    assert [entry["touched"] for entry in event["partitions"]] == [["2024-07-01"], ["2024-07-02"]]
    assert {feed: ledger.delivered_names(home, feed) for feed in names} == names
    assert (people.ingest("orders").status, people.ingest("customers").status) == ("unchanged", "unchanged")
    # A new history still takes away the days that it has no rows of.
    people.deliver("history.csv", lines(CUSTOMERS, ["c1,,,2024-07-01"]))
    people.ingest("customers")
    assert people.raw("customers", "customer_id") == [("c1",)]


def test_the_operator_may_keep_the_key_outside_of_the_home(people: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    (old,) = _secrets(people)
    Home(people.root).key_file.unlink()
    monkeypatch.setenv("NIGHTSHIFT_PII_KEY", old)
    with pytest.raises(NightshiftError, match="add one behind a comma"):
        _rotate(people)
    new = "ab" * 32
    monkeypatch.setenv("NIGHTSHIFT_PII_KEY", f"{old},{new}")
    with pytest.raises(NightshiftError, match="nightshift rotate-key"):
        people.ingest("orders")
    assert _rotate(people) == 4
    assert people.raw("orders", "email", "order_id")[0] == (_keyed("ada@example.org", old, new),)
    assert people.ingest("orders").status == "unchanged"
    assert not Home(people.root).key_file.exists()
    # The old secret alone, another one, and the two the other way round are other keys.
    for key in (old, new, f"{new},{old}"):
        monkeypatch.setenv("NIGHTSHIFT_PII_KEY", key)
        for call in (lambda: people.ingest("orders"), lambda: _rotate(people)):
            with pytest.raises(NightshiftError, match="restore that key"):
                call()


@pytest.mark.parametrize("text", ["", "ab", f"{'ab' * 32}\n{'ab' * 32}\n", f"{'ab' * 32}\nxy\n"])
def test_a_malformed_key_is_named(shop: Shop, text: str) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    Home(shop.root).key_file.write_text(text)
    with pytest.raises(NightshiftError, match=r"pii\.key\) must be 64 hex digits"):
        shop.ingest("orders")


def test_a_load_that_starts_meanwhile_waits_and_a_rotation_waits_for_a_load(
    people: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.deliver("orders/2024-07-03.csv", lines(ORDERS, ["o4,c1,2024-07-03,paid,GBP,ada@example.org"]))
    is_told, reports = threading.Event(), []

    def load() -> None:
        try:
            reports.extend(ingest(people.settings, ["orders"], None, None, lambda line: is_told.set()))
        finally:
            is_told.set()

    loading = threading.Thread(target=load)
    hash_again = key_rotation._hash_again

    def while_a_load_starts(*arguments: Any) -> Any:
        if not loading.ident:
            loading.start()
            assert is_told.wait(60)
        return hash_again(*arguments)

    monkeypatch.setattr(key_rotation, "_hash_again", while_a_load_starts)
    assert _rotate(people) == 4
    loading.join()
    assert [(report.status, report.days) for report in reports] == [("loaded", 1)]
    ada = _keyed("ada@example.org", *_secrets(people))
    assert people.raw("orders", "email", "order_id")[-1] == (ada,)

    lock = FileLock(people.root / "raw/orders/.load.lock", thread_local=False)
    lock.acquire()
    said: list[str] = []

    def heard(line: str) -> None:
        said.append(line)
        lock.release(force=True)

    assert rotate_key(people.settings, "nightshift 1", heard).partitions == 5
    assert said[0] == "orders: another load of this feed is running; waiting for its end"


def test_a_damaged_partition_is_not_hashed_again(people: Shop) -> None:
    path = people.root / "raw/orders/ds=2024-07-02/data.parquet"
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(NightshiftError, match=r"ds=2024-07-02/data\.parquet is not what the ledger recorded"):
        _rotate(people)
    # Nothing has changed, so the day can be loaded again.
    assert len(_secrets(people)) == 1
    people.ingest("orders", again=True)
    assert _rotate(people) == 4


def test_the_command_says_what_it_did_and_no_secret(people: Shop) -> None:
    done = nightshift(people.root, "rotate-key")
    assert done.returncode == 0
    assert "2 secrets; 4 partitions hashed again" in done.stdout
    assert not any(secret in done.stdout + done.stderr for secret in _secrets(people))
    assert Home(people.root).key_file.stat().st_mode & 0o777 == 0o600
