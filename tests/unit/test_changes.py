"""What a build has to make anew: partitions that are not as the warehouse has them, and the dates of their clicks."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipelines.changes import Held, changes, forget_held, held_after
from pipelines.ledger import Partition

DAY = [date(2026, 3, number) for number in range(1, 6)]


def _part(feed: str, ds: date, sha256: str, *touched: date) -> Partition:
    return Partition(feed, ds, sha256, 1, 1, 0, 0, 0, "", "", tuple(map(str, touched or (ds,))), False, False)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    path.touch()
    return path


def test_an_added_a_replaced_and_a_removed_partition_have_changed(warehouse: Path) -> None:
    built = [
        _part("orders", DAY[0], "a"),
        _part("orders", DAY[1], "b"),
        _part("events", DAY[0], "c", DAY[0]),
        _part("events", DAY[1], "d", DAY[0], DAY[1]),
    ]
    held_after(built, [], "recipe", DAY[1]).write(warehouse)
    held = Held.read(warehouse)
    assert held is not None
    assert (held.recipe, held.as_of, held.is_broken_off) == ("recipe", DAY[1], False)
    loaded = [
        _part("orders", DAY[0], "a"),
        # Its rows lie on another day now: that of before is touched as well.
        _part("events", DAY[1], "e", DAY[3]),
        _part("events", DAY[0], "c", DAY[0]),
        _part("events", DAY[2], "f", DAY[2]),
    ]
    found = changes(held, loaded)
    assert found.partitions == {"orders": [DAY[1]], "events": [DAY[1], DAY[2]]}
    assert found.event_dates == [DAY[0], DAY[1], DAY[2], DAY[3]]
    assert (found.since, found.is_resumed, found.count) == (DAY[1], False, 3)


def test_nothing_has_changed_where_nothing_was_loaded(warehouse: Path) -> None:
    parts = [_part("orders", DAY[0], "a")]
    found = changes(held_after(parts, [], "recipe", DAY[0]), parts)
    assert (found.partitions, found.event_dates, found.count) == ({}, [], 0)


def test_what_a_broken_build_had_begun_with_is_gone_over_again(warehouse: Path) -> None:
    held = held_after([_part("events", DAY[0], "a", DAY[0])], [], "recipe", DAY[0])
    changes(held, [_part("events", DAY[0], "b", DAY[1])]).marked.write(warehouse)
    left = Held.read(warehouse)
    assert left is not None
    assert left.is_broken_off
    # Delivered as it was before the build that broke off: what that one made of it is not.
    again = changes(left, [_part("events", DAY[0], "a", DAY[0])])
    assert again.is_resumed
    assert again.event_dates == [DAY[0], DAY[1]]


def test_bulk_history_that_is_partly_of_the_future_stays_changed(warehouse: Path) -> None:
    parts = [_part("orders", DAY[0], "a"), _part("orders", DAY[1], "b")]
    held = held_after(parts, [("orders", DAY[0])], "recipe", DAY[1])
    assert changes(held, parts).partitions == {"orders": [DAY[0]]}


def test_a_warehouse_that_is_gone_or_forgotten_holds_nothing(warehouse: Path) -> None:
    held_after([_part("orders", DAY[0], "a")], [], "recipe", DAY[0]).write(warehouse)
    warehouse.unlink()
    assert Held.read(warehouse) is None
    warehouse.touch()
    assert Held.read(warehouse) is not None
    forget_held(warehouse)
    assert Held.read(warehouse) is None
