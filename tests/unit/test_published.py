"""What is published: the newest day by its name, the days before by their date, one good file at every moment."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from kills import killed_at
from planted_published import publish

from pipelines import ledger, published
from pipelines.home import Home

FIRST = date(2026, 3, 1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


def _day(number: int) -> date:
    return FIRST + timedelta(days=number)


def _as_of(path: Path) -> str:
    with duckdb.connect(str(path), read_only=True) as connection:
        return published.facts(connection)["as_of"]


def _held(home: Home) -> list[date]:
    """The days that the dated files say they hold."""
    return [date.fromisoformat(_as_of(published.of_day(home, day))) for day in published.days(home)]


def test_days_are_kept_up_to_the_setting_and_the_newest_takes_its_space_once(home: Home) -> None:
    for number in range(5):
        publish(home, _day(number))
        published.prune(home, keep=3)
    assert published.days(home) == [_day(2), _day(3), _day(4)]
    assert [_as_of(published.of_day(home, day)) for day in published.days(home)] == [
        "2026-03-03",
        "2026-03-04",
        "2026-03-05",
    ]
    assert _as_of(published.newest(home)) == "2026-03-05"
    assert published.of_day(home, _day(4)).samefile(published.newest(home))
    # Nothing of the days before is left, no empty folder either.
    assert len(list(home.published.iterdir())) == 1 + 3


def test_one_kept_day_is_the_newest(home: Home) -> None:
    for number in range(2):
        publish(home, _day(number))
        published.prune(home, keep=1)
    assert published.days(home) == [_day(1)]


def test_an_earlier_day_takes_its_place_among_the_kept_and_the_newest_stays(home: Home) -> None:
    for number in (1, 3):
        publish(home, _day(number))
    assert published.is_kept(home, _day(2), keep=2)
    assert not published.is_kept(home, _day(0), keep=2)
    publish(home, _day(2), is_newest=False)
    published.prune(home, keep=2)
    assert published.days(home) == [_day(2), _day(3)]
    assert _as_of(published.newest(home)) == "2026-03-04"


def test_a_day_published_again_is_new_under_both_names_and_a_reader_keeps_the_old(home: Home) -> None:
    publish(home, FIRST, "create table t as select 'old' as said")
    with duckdb.connect(str(published.of_day(home, FIRST)), read_only=True) as reader:
        publish(home, FIRST, "create table t as select 'new' as said")
        assert reader.execute("from t").fetchall() == [("old",)]
    for path in (published.newest(home), published.of_day(home, FIRST)):
        with duckdb.connect(str(path), read_only=True) as reader:
            assert reader.execute("from t").fetchall() == [("new",)]


def test_a_reader_keeps_a_day_that_is_no_longer_kept(home: Home) -> None:
    publish(home, FIRST)
    with duckdb.connect(str(published.of_day(home, FIRST)), read_only=True) as reader:
        publish(home, _day(1))
        published.prune(home, keep=1)
        assert not published.of_day(home, FIRST).exists()
        assert published.facts(reader)["as_of"] == str(FIRST)


def test_where_there_are_no_hard_links_the_day_is_a_copy(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    publish(home, FIRST)
    assert _as_of(published.of_day(home, FIRST)) == _as_of(published.newest(home)) == str(FIRST)
    assert published.of_day(home, FIRST).stat().st_mode & 0o777 == 0o400


def test_an_erasure_leaves_the_newest_alone(home: Home) -> None:
    for number in range(3):
        publish(home, _day(number))
    (home.published / ".warehouse.duckdb.tmp").write_bytes(b"half")
    ledger.append(home, "publishes", {"as_of": str(_day(2)), "fingerprint": ""})
    published.forget_all_but_newest(home)
    files = sorted(path.relative_to(home.published).as_posix() for path in home.published.rglob("*") if path.is_file())
    assert files == ["as_of=2026-03-03/warehouse.duckdb", "warehouse.duckdb"]


def test_an_erasure_trusts_no_file_that_the_ledger_does_not_know(home: Home) -> None:
    publish(home, FIRST)
    published.forget_all_but_newest(home)
    assert list(home.published.iterdir()) == []


PUBLISHES = """
sys.path.insert(0, {tests!r})
from datetime import date
from planted_published import publish
from pipelines import published
from pipelines.home import Home
publish(Home(home), date(2026, 3, 3))
published.prune(Home(home), keep=2)
"""


def test_killed_at_every_step_the_last_good_one_stays_readable(tmp_path: Path) -> None:
    work = PUBLISHES.replace("{tests!r}", repr(str(Path(__file__).parents[1])))

    def prepared(name: str) -> Home:
        home = Home.create(tmp_path / name)
        publish(home, _day(0))
        publish(home, _day(1))
        return home

    calls = int(killed_at(work, prepared("whole").root, 0).stdout)
    # Two files of a name each are flushed with their folder, renamed, and what was in the way removed.
    assert calls >= 8
    seen = []
    for call in range(1, calls + 1):
        home = prepared(f"killed-{call}")
        assert killed_at(work, home.root, call).returncode == -9
        seen.append(_as_of(published.newest(home)))
        assert {_as_of(published.of_day(home, day)) for day in published.days(home)} == set(
            map(str, published.days(home))
        )
        # The step again ends as if nothing had happened.
        assert killed_at(work, home.root, 0).returncode == 0
        assert _as_of(published.newest(home)) == "2026-03-03"
        assert published.days(home) == [_day(1), _day(2)]
        assert list(home.published.rglob("*.tmp")) == []
    assert seen == sorted(seen)
    assert set(seen) == {"2026-03-02", "2026-03-03"}
