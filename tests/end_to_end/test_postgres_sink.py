"""Exports in a real PostgreSQL: complete, once, only what changed, whatever happens on the way."""

from __future__ import annotations

import random
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from ops_database import (
    TABLE,
    VARIABLE,
    applied_nights,
    at_statements,
    emptied,
    rows_of,
    running_server,
    settings_of,
    versions_of,
)
from planted_exports import COLUMNS, Row, deliver, folder_of

from pipelines import export_delivery
from pipelines.cli import cli
from pipelines.errors import NightshiftError, UsageError
from pipelines.export_contract import Contract
from pipelines.export_night import Night
from pipelines.home import Home
from pipelines.sinks import postgres
from pipelines.sinks.applied_ledger import Applied
from pipelines.sinks.copied_rows import csv_chunks
from pipelines.sinks.places import places
from pipelines.sinks.postgres_schema import ddl

ROOT = Path(__file__).parents[2]
D1, D2, D3, D4 = (date(2025, 3, 1) + timedelta(days=n) for n in range(4))
# key: quantity, margin, reason
NIGHTS: dict[date, list[Row]] = {
    D1: [("a", 1, "1.00", "low"), ("b", 2, "2.00", None), ("c", 3, "3.00", "x"), ("d", 4, "4.00", "y")],
    # b changes, c goes, e comes
    D2: [("a", 1, "1.00", "low"), ("b", 9, "2.00", None), ("d", 4, "4.00", "y"), ("e", 5, "5.00", "z")],
    # a becomes null, c comes back, d and e go
    D3: [("a", None, "1.00", "low"), ("b", 9, "2.00", None), ("c", 3, "3.00", "x")],
    D4: [],
}
# What the database holds after the nights D1, D2 and D3: each row as the night that changed it last wrote it.
AFTER_D3 = {
    "a": (D3, None, Decimal("1.00"), "low", f"run-{D3}"),
    "b": (D2, 9, Decimal("2.00"), None, f"run-{D2}"),
    "c": (D3, 3, Decimal("3.00"), "x", f"run-{D3}"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_server() as uri:
        yield uri


@pytest.fixture
def uri(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    uri = emptied(server)
    monkeypatch.setenv(VARIABLE, uri)
    return uri


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Four nights in files; tests only read it."""
    home = Home.create(tmp_path_factory.mktemp("planted") / "home")
    for day, rows in NIGHTS.items():
        deliver(home, day, rows)
    return home


def _apply(home: Home, day: date, is_going_back: bool = False) -> Applied:
    night = Night(folder_of(home) / f"as_of={day}")
    return postgres.apply(home, settings_of(home.root), night, is_going_back)


def _values(rows: list[Row]) -> dict[str, tuple[Any, ...]]:
    return {key: (quantity, margin and Decimal(margin), reason) for key, quantity, margin, reason in rows}


def _compared(uri: str) -> dict[str, tuple[Any, ...]]:
    return {key: row[1:4] for key, row in rows_of(uri).items()}


def test_nights_in_their_order_touch_only_what_changed(home: Home, uri: str) -> None:
    assert _apply(home, D1) == Applied("applied", inserted=4)
    before = versions_of(uri)
    assert _apply(home, D2) == Applied("applied", inserted=1, updated=1, deleted=1)
    after = versions_of(uri)
    # The server's own word: a and d were not written again.
    assert {key for key in after if after[key] == before.get(key)} == {"a", "d"}
    assert set(after) == {"a", "b", "d", "e"}
    assert _apply(home, D3) == Applied("applied", inserted=1, updated=1, deleted=2)
    assert rows_of(uri) == AFTER_D3
    assert applied_nights(uri) == [
        ("plan_v1", str(D1), 4, 0, 0),
        ("plan_v1", str(D2), 1, 1, 1),
        ("plan_v1", str(D3), 1, 1, 2),
    ]
    assert _apply(home, D4) == Applied("applied", deleted=3)
    assert rows_of(uri) == {}


def test_only_changed_rows_travel_where_the_night_before_is_there(
    home: Home, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    def noted(*arguments: Any) -> Iterator[bytes]:
        for chunk in csv_chunks(*arguments):
            sent.append(chunk)
            yield chunk

    monkeypatch.setattr(postgres, "csv_chunks", noted)
    travelled = []
    for day in (D1, D2, D2, D4):
        _apply(home, day)
        travelled.append(sorted(line.split(b",")[-1 if line.count(b",") < 2 else 2] for line in b"".join(sent).split()))
        sent.clear()
    # All of D1; b and e and the key of c; nothing; D3 was left out and D4 is empty.
    assert travelled == [[b'"a"', b'"b"', b'"c"', b'"d"'], [b'"b"', b'"c"', b'"e"'], [], []]


def test_the_same_night_again_touches_nothing(home: Home, uri: str) -> None:
    _apply(home, D1)
    before = versions_of(uri), applied_nights(uri)
    assert _apply(home, D1) == Applied("unchanged")
    assert (versions_of(uri), applied_nights(uri)) == before


def test_a_night_left_out_is_made_up_for_by_what_differs(home: Home, uri: str) -> None:
    _apply(home, D1)
    before = versions_of(uri)
    # Against D1: a null, b changed, d gone; c is as it was.
    assert _apply(home, D3) == Applied("applied", updated=2, deleted=1)
    assert versions_of(uri)["c"] == before["c"]
    assert _compared(uri) == _values(NIGHTS[D3])


def test_an_earlier_night_is_applied_only_when_going_back(home: Home, uri: str) -> None:
    for day in (D1, D2):
        _apply(home, day)
    assert _apply(home, D1) == Applied("behind")
    assert _compared(uri) == _values(NIGHTS[D2])
    assert _apply(home, D1, is_going_back=True) == Applied("applied", inserted=1, updated=1, deleted=1)
    assert _compared(uri) == _values(NIGHTS[D1])
    # Forward again: what the ledger knows of D2 is no longer what the table holds.
    assert _apply(home, D2).status == "applied"
    assert _compared(uri) == _values(NIGHTS[D2])
    assert [row[1] for row in applied_nights(uri)] == [str(D1), str(D2)]


def test_a_night_delivered_again_with_other_rows_takes_its_place(tmp_path: Path, uri: str) -> None:
    home = Home.create(tmp_path / "home")
    for rows, changed in ((NIGHTS[D1], 0), (NIGHTS[D2], 3), (NIGHTS[D1], 3)):
        deliver(home, D1, rows)
        applied = _apply(home, D1)
        assert applied.status == "applied"
        assert changed in (0, applied.inserted + applied.updated + applied.deleted)
        assert _compared(uri) == _values(rows)
    assert len(applied_nights(uri)) == 2


def test_a_table_that_someone_changed_by_hand_is_put_right_by_going_back_to_its_night(home: Home, uri: str) -> None:
    _apply(home, D1)
    with psycopg.connect(uri) as connection:
        connection.execute(f"update {TABLE} set order_quantity = 77 where key = 'a'")
        connection.execute(f"delete from {TABLE} where key = 'b'")
    assert _apply(home, D1, is_going_back=True) == Applied("applied", inserted=1, updated=1)
    assert _compared(uri) == _values(NIGHTS[D1])


ODD = (
    "",
    "'; drop table x; --",
    'q"uote',
    "tab\t",
    "line\nbreak\r\n",
    "\\.",
    "a\n\\.\nb",
    "\\N",
    "NULL",
    "%s {}",
    "\u202e\U0001f600",
)


def test_any_text_arrives_as_it_is_and_null_stays_null(tmp_path: Path, uri: str) -> None:
    home = Home.create(tmp_path / "home")
    rows: list[Row] = [(f"k{n}{text}", n, "-0.01", text) for n, text in enumerate(ODD)]
    rows.append(("null", None, None, None))
    deliver(home, D1, rows)
    _apply(home, D1)
    assert _compared(uri) == _values(rows)
    changed: list[Row] = [(key, 1, margin, reason) for key, _, margin, reason in rows]
    deliver(home, D2, changed)
    # The second row had the quantity 1 before.
    assert _apply(home, D2) == Applied("applied", updated=len(rows) - 1)
    assert _compared(uri) == _values(changed)


def test_a_column_that_came_last_is_added_and_null_in_nights_without_it(tmp_path: Path, uri: str) -> None:
    home = Home.create(tmp_path / "home")
    deliver(home, D1, NIGHTS[D1])
    _apply(home, D1)
    deliver(home, D2, NIGHTS[D1], COLUMNS | {"note": "VARCHAR"})
    assert _apply(home, D2) == Applied("applied")
    with psycopg.connect(uri) as connection:
        connection.execute(f"update {TABLE} set note = 'by hand' where key = 'a'")
    assert _apply(home, D1, is_going_back=True) == Applied("applied", updated=1)
    with psycopg.connect(uri) as connection:
        assert connection.execute(f"select count(*) from {TABLE} where note is not null").fetchall() == [(0,)]


def test_a_table_of_another_is_not_touched(home: Home, uri: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("create schema nightshift")
        connection.execute("create table nightshift.plan_v1 (as_of text not null)")
    with pytest.raises(
        NightshiftError, match=r"column as_of is text not null, the contract says date not null; another"
    ):
        _apply(home, D1)
    with psycopg.connect(uri) as connection:
        assert connection.execute("select to_regclass('nightshift.applied_nights')").fetchall() == [(None,)]


def _check_polled(tmp_path: Path, uri: str, nights: int) -> None:
    """Every night changes every row to its number and moves the keys: a mix of two nights would show."""
    home = Home.create(tmp_path / "home")
    days = [D1 + timedelta(days=n) for n in range(nights)]
    for number, day in enumerate(days):
        deliver(home, day, [(f"k{key}", number, "1.00", None) for key in range(number * 10, number * 10 + 200)])
    _apply(home, days[0])
    seen, is_over = set(), threading.Event()

    def poll() -> None:
        query = f"select count(*), min(order_quantity), max(order_quantity), min(substr(key, 2)::int) from {TABLE}"
        with psycopg.connect(uri, autocommit=True) as connection:
            while not is_over.is_set():
                seen.add(connection.execute(query).fetchall()[0])

    reader = threading.Thread(target=poll)
    reader.start()
    for day in days[1:]:
        _apply(home, day)
    is_over.set()
    reader.join()
    assert seen <= {(200, number, number, number * 10) for number in range(len(days))}
    assert len(seen) > 1


def test_a_reader_sees_a_whole_night_always(tmp_path: Path, uri: str) -> None:
    _check_polled(tmp_path, uri, nights=10)


@pytest.mark.campaign
def test_a_reader_sees_whole_nights_through_fifty(tmp_path: Path, uri: str) -> None:
    _check_polled(tmp_path, uri, nights=50)


@pytest.mark.parametrize("days", [(D1, D1), (D2, D3), (D3, D2)])
def test_two_runs_at_once_end_in_the_newest_night_once(home: Home, uri: str, days: tuple[date, date]) -> None:
    """Also where neither schema nor tables are there yet."""
    outcomes: list[Applied] = []
    runs = [threading.Thread(target=lambda day=day: outcomes.append(_apply(home, day))) for day in days]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(outcomes) == 2
    assert _compared(uri) == _values(NIGHTS[max(days)])
    known = [row[1] for row in applied_nights(uri)]
    assert len(known) == len(set(known))
    assert known[-1] == str(max(days))


def _first_time(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """A hook that acts at the call of that number."""
    calls = iter(range(1, 10_000))
    return lambda: act() if next(calls) == number else None


def _boundaries(home: Home, day: date) -> int:
    count = 0

    def note() -> None:
        nonlocal count
        count += 1

    with at_statements(note):
        _apply(home, day)
    return count


def _check_interrupted(home: Home, uri: str, how: str, share: float) -> None:
    """Interrupt nights at boundaries, apply them again: the database is as if nothing had been."""

    def cut() -> None:
        with psycopg.connect(uri, autocommit=True) as other:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'nightshift' and datname = current_database()"
            )

    def conflict() -> None:
        raise psycopg.errors.SerializationFailure

    chance = random.Random(7)
    act = {"cut": cut, "conflict": conflict}[how]
    # By the delta, by what differs, and into an empty table.
    for earlier, day in (((D1, D2), D3), ((D1,), D3), ((), D1)):
        for number in [0, *range(1, 60)]:
            if number and chance.random() > share:
                continue
            with psycopg.connect(uri, autocommit=True) as connection:
                connection.execute("drop schema if exists nightshift cascade")
            for before in earlier:
                _apply(home, before)
            if not number:
                last = _boundaries(home, day)
                expected = rows_of(uri), applied_nights(uri)
                assert expected[0] == AFTER_D3 or len(earlier) < 2
                continue
            if number > last:
                break
            with at_statements(_first_time(number, act)):
                try:
                    _apply(home, day)
                except (NightshiftError, psycopg.Error) as error:
                    assert how == "cut", error
                    assert "\n" not in str(error)
            _apply(home, day)
            assert (rows_of(uri), applied_nights(uri)) == expected, f"{how} at boundary {number} of {last}"


@pytest.mark.parametrize("how", ["cut", "conflict"])
def test_a_night_interrupted_at_some_statements_is_applied_once(home: Home, uri: str, how: str) -> None:
    _check_interrupted(home, uri, how, share=0.12)


@pytest.mark.campaign
@pytest.mark.parametrize("how", ["cut", "conflict"])
def test_a_night_interrupted_at_every_statement_is_applied_once(home: Home, uri: str, how: str) -> None:
    _check_interrupted(home, uri, how, share=1.0)


GUIDE = ROOT / "docs" / "exports.md"


def _statements(word: str) -> str:
    """The SQL of the reader's guide that begins so."""
    blocks = re.findall(r"```sql\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (block,) = (block for block in blocks if block.startswith(word))
    return str(block)


def test_the_queries_of_the_guide_answer(uri: str) -> None:
    contract = Contract.of_json_schema((ROOT / "docs" / "contracts" / "demand_forecast_v1.json").read_bytes())
    with psycopg.connect(uri) as connection:
        connection.execute(ddl(contract).encode())
        connection.execute(
            "insert into nightshift.demand_forecast_v1 select current_date - 1, 'a', 'main', current_date + n, n + 1, "
            "2, 1, 2, 3, 'm', 'v', 'r' from generate_series(0, 9) as n"
        )
        connection.execute(
            "insert into nightshift.applied_nights (table_name, as_of, content_sha256, completeness, valid_until, "
            "row_count, inserted, updated, deleted) values ('demand_forecast_v1', current_date - 1, 'x', 'complete', "
            "now() + interval '1 hour', 10, 10, 0, 0)"
        )
        newest, week = _statements("select").split(";")[:2]
        assert connection.execute(newest.encode()).fetchall()[0][1:] == ("complete", 10, True)
        # Seven days of 2 units.
        assert connection.execute(week.encode()).fetchall() == [("a", "main", Decimal(14))]


def test_a_role_with_the_least_privileges_is_enough(home: Home, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute((folder_of(home) / "postgres.sql").read_bytes())
        connection.execute("create role night_writer login password 'hunter2'")
        connection.execute(_statements("grant").replace("demand_forecast", "plan").encode())
    monkeypatch.setenv(VARIABLE, uri.replace("//postgres:@", "//night_writer:hunter2@"))
    for day in (D1, D2, D3):
        assert _apply(home, day).status == "applied"
    assert rows_of(uri) == AFTER_D3
    # It can make no table of its own.
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("drop table nightshift.plan_v1")
    with pytest.raises(
        NightshiftError, match=r"export plan as of 2025-03-01: connection ops: permission denied"
    ) as caught:
        _apply(home, D1)
    assert "hunter2" not in str(caught.value)
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("drop owned by night_writer")
        connection.execute("drop role night_writer")


def test_a_damaged_file_never_reaches_the_database(tmp_path: Path, uri: str) -> None:
    home = Home.create(tmp_path / "home")
    report = deliver(home, D1, NIGHTS[D1])
    report.path.write_bytes(report.path.read_bytes()[:-1] + b"?")
    with pytest.raises(NightshiftError, match="has not the SHA-256 of its manifest"):
        _apply(home, D1)


def test_a_table_that_fails_holds_up_no_other_and_no_secret_is_told(
    home: Home, tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    copy = Home(shutil.copytree(home.root, tmp_path / "copy"))
    good, bad = folder_of(copy) / f"as_of={D1}", folder_of(copy) / f"as_of={D2}"
    Night(bad).rows.unlink()
    to = places(copy, settings_of(copy.root))
    (failed,) = export_delivery.deliver(copy, [bad, good], to, told.append)
    assert (failed.place, failed.table, failed.as_of) == ("database ops", "plan", str(D2))
    assert told[0].startswith(f"database ops: plan v1 as of {D2}: NOT delivered: ")
    assert told[1:] == [f"database ops: plan v1 as of {D1}: 4 inserted, 0 updated, 0 deleted"]
    monkeypatch.setenv(VARIABLE, "postgresql://ada:hunter2@127.0.0.1:1/ops")
    with pytest.raises(NightshiftError) as caught:
        _apply(home, D1)
    assert str(caught.value) == (
        f"export plan as of {D1}: connection ops: the server cannot be reached; check NIGHTSHIFT_CONNECTION_OPS"
    )
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(UsageError, match="setting NIGHTSHIFT_EXPORT_CONNECTION: set NIGHTSHIFT_CONNECTION_OPS to"):
        _apply(home, D1)


def test_the_list_tells_what_the_database_was_given_and_holds(
    home: Home, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_EXPORT_CONNECTION", "ops")

    def listed() -> list[str]:
        done = CliRunner().invoke(cli, ["export", "--list", "--home", str(home.root)])
        return [line.partition("; in files")[2] for line in done.stdout.splitlines()]

    assert listed() == ["", "", "", ""]
    for day in (D1, D2):
        _apply(home, day)
    assert listed() == [", in database ops", ", in database ops (what its table holds)", "", ""]
    done = CliRunner().invoke(cli, ["replay", "plan", "--as-of", str(D1), "--database", "--home", str(home.root)])
    assert done.exit_code == 0
    assert listed() == [", in database ops (what its table holds)", ", in database ops", "", ""]
    assert _compared(uri) == _values(NIGHTS[D1])
