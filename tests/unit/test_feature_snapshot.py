"""Snapshots of the features: named by content, months that did not change shared with the one before."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines import feature_snapshot
from pipelines.home import Home

JANUARY, FEBRUARY, MARCH = (f"feat_visit.2025-0{month}.parquet" for month in (1, 2, 3))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> duckdb.DuckDBPyConnection:
    """Of each of 90 days three visits and one without a day; a table of two rows beside them."""
    monkeypatch.setattr(feature_snapshot, "_FEWEST_ROWS_BY_MONTH", 100)
    connection = duckdb.connect()
    connection.execute("create schema features")
    connection.execute(
        "create table features.feat_visit as select i as visit_id, date '2025-01-01' + (i * 7 % 90)::integer as "
        "visited_on, (i / 4)::decimal(18, 2) as paid_amount from range(270) t(i)"
    )
    connection.execute("insert into features.feat_visit values (999, null, 1)")
    connection.execute("create table features.feat_night as select unnest([1, 2]) as n, date '2025-03-31' as as_of")
    return connection


def test_a_large_table_lies_by_month_and_reads_as_one(home: Home, built: duckdb.DuckDBPyConnection) -> None:
    folder = home.snapshots / feature_snapshot.write(built, home)
    names = ["feat_night.parquet", JANUARY, FEBRUARY, MARCH, "feat_visit.none.parquet"]
    assert [path.name for path in sorted(folder.iterdir())] == names
    assert feature_snapshot.tables_in(folder) == ["feat_night", "feat_visit"]
    assert feature_snapshot.row_count(folder, "feat_visit") == 271
    read = feature_snapshot.read(folder, "feat_visit")
    assert [day.month for day in read["visited_on"].iloc[:270]] == [1] * 93 + [2] * 84 + [3] * 93
    assert sorted(read.loc[read["visited_on"] == date(2025, 1, 1), "visit_id"]) == [0, 90, 180]
    # 0.00, 0.25, ... 67.25: a quarter of 0 + 1 + ... + 269; and the one without a day.
    assert read["paid_amount"].sum() == Decimal(269 * 270 // 2) / 4 + 1
    with pytest.raises(ValueError, match=r"it has no feat_vis$"):
        feature_snapshot.read(folder, "feat_vis")


def test_only_months_with_another_row_are_written_again(home: Home, built: duckdb.DuckDBPyConnection) -> None:
    first = home.snapshots / feature_snapshot.write(built, home)
    built.execute("update features.feat_visit set paid_amount = 0.01 where visited_on = date '2025-02-10'")
    second = home.snapshots / feature_snapshot.write(built, home)
    assert first != second
    shared = {path.name for path in second.iterdir() if path.samefile(first / path.name)}
    assert shared == {"feat_night.parquet", JANUARY, MARCH, "feat_visit.none.parquet"}
    told = feature_snapshot.read(second, "feat_visit").set_index("visited_on")["paid_amount"].astype(float)
    assert set(told[date(2025, 2, 10)]) == {0.01}


def test_the_name_is_that_of_the_content_however_it_was_written(
    home: Home, built: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    built.execute("update features.feat_visit set paid_amount = 5 where visited_on = date '2025-02-10'")
    feature_snapshot.write(built, home)
    built.execute("update features.feat_visit set paid_amount = 7 where visited_on = date '2025-02-10'")
    # The same rows, lying in another order, in a home that knows of no snapshot before.
    built.execute("create or replace table features.feat_visit as from features.feat_visit order by paid_amount desc")
    by_parts, at_once = feature_snapshot.write(built, home), Home.create(tmp_path / "other")
    assert feature_snapshot.write(built, at_once) == by_parts
    assert feature_snapshot.write(built, home) == by_parts


def test_nothing_is_shared_with_a_snapshot_that_was_damaged(home: Home, built: duckdb.DuckDBPyConnection) -> None:
    first = home.snapshots / feature_snapshot.write(built, home)
    path = first / JANUARY
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    # As it should be once more, and whole: not the damaged file under a new name.
    assert feature_snapshot.write(built, home) == first.name
    assert feature_snapshot.is_whole(home, first.name)
