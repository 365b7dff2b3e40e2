"""The simulator says which rows and files it broke, where and how; in Parquet it delivers the contract's types."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import product
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from pipelines.feeds import DATE, EVENT_TYPES, FEEDS, INSTANT, TEXT
from pipelines.simulate import SimulatedStore, dirt, drops, faults, simulate
from pipelines.simulate.arguments import Arguments
from pipelines.simulate.text import delivered_columns

FIRST_DAY, SEED = date(2025, 11, 3), 11
# Dirty enough that in so few rows each kind comes.
DIRTY, DAYS = 0.2, 20
NEED_TEXT = {"unparseable_number", "unparseable_date", "truncated_line", "wrong_column_count", "bad_encoding"}
REPEATED = {"duplicate_row", "conflicting_row"}
IN_ANY_FORMAT = REPEATED | {"missing_key", "negative_quantity", "orphan_line", "absurd_timestamp", "file_cut_short"}
IN_ANY_FORMAT |= {"unknown_event_type", "unknown_currency"}
# Key, kind, line, column.
Record = tuple[str, str, int | None, str | None]


def write(folder: Path, days: int = DAYS, dirty: float = DIRTY, format: str = drops.TEXT) -> SimulatedStore:
    landing, truth = folder / "landing", folder / "truth"
    arguments = Arguments(0.02, days, SEED, FIRST_DAY, dirty=dirty, format=format)
    return simulate(landing, truth, arguments, lambda _: None)


@pytest.fixture(scope="module")
def dirty_store(tmp_path_factory: pytest.TempPathFactory) -> SimulatedStore:
    return write(tmp_path_factory.mktemp("dirty"))


@pytest.fixture(scope="module")
def clean_store(tmp_path_factory: pytest.TempPathFactory) -> SimulatedStore:
    return write(tmp_path_factory.mktemp("clean"), dirty=0)


def injected(store: SimulatedStore) -> pd.DataFrame:
    return pd.read_parquet(store.truth / "injected.parquet")


def records(store: SimulatedStore) -> dict[tuple[str, str], list[Record]]:
    """What the truth says of each file that has something broken, in order of its lines."""
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for row in injected(store).sort_values(["feed", "ds", "line"]).itertuples():
        line = None if pd.isna(row.line) else int(row.line)
        found[row.feed, row.ds].append((row.key, row.kind, line, row.column))
    return found


def days_of(store: SimulatedStore) -> list[str]:
    return [str(store.first_day + timedelta(days=day)) for day in range((store.last_day - store.first_day).days + 1)]


def content(store: SimulatedStore) -> dict[str, bytes]:
    return {str(path.relative_to(store.landing)): path.read_bytes() for path in sorted(store.landing.glob("*/*"))}


def test_broken_rows_and_files_are_exactly_those_recorded(
    clean_store: SimulatedStore, dirty_store: SimulatedStore
) -> None:
    recorded = records(dirty_store)
    for feed, ds in product(FEEDS, days_of(dirty_store)):
        before, after = (drops.path(store.landing, feed, ds, drops.TEXT) for store in (clean_store, dirty_store))
        assert _damage(feed, before, after) == recorded.pop((feed, ds), []), (feed, ds)
    assert not recorded
    broken = injected(dirty_store)
    assert list(broken.columns) == ["feed", "ds", "key", "kind", "line", "column"]
    assert set(broken["kind"]) == NEED_TEXT | IN_ANY_FORMAT
    for kind, values in broken.groupby("kind")["column"]:
        assert values.notna().all() or kind in {*REPEATED, "truncated_line", "wrong_column_count", "file_cut_short"}


def test_the_share_of_broken_rows_and_files_is_what_was_asked_for(
    clean_store: SimulatedStore, dirty_store: SimulatedStore
) -> None:
    broken = injected(dirty_store)
    cut = broken[broken["kind"] == "file_cut_short"]
    unread = sum(
        len(_lines(drops.path(clean_store.landing, row.feed, row.ds, drops.TEXT))) - (row.feed != "events")
        for row in cut.itertuples()
    )
    rows = sum(clean_store.rows.values()) - unread
    assert abs((len(broken) - len(cut)) / rows - DIRTY) < 4 * (DIRTY * (1 - DIRTY) / rows) ** 0.5
    assert sum(dirty_store.rows.values()) == rows + broken["kind"].isin(REPEATED).sum()
    rng = np.random.default_rng(5)
    left = np.array([list(dirt.shares_left(rng, 1.0).values()) for _ in range(2_000)])
    # A twentieth of the share.
    assert abs((left < 1).mean() - 0.05) < 4 * (0.05 * 0.95 / left.size) ** 0.5
    assert ((left == 1) | ((left > 0.1) & (left < 0.9))).all()


def test_every_row_has_its_own_place_and_every_way_is_one_of_its_feed(dirty_store: SimulatedStore) -> None:
    rows = injected(dirty_store).dropna(subset="line")
    assert not rows.duplicated(["feed", "ds", "line"]).any()
    for feed, of_feed in rows.groupby("feed"):
        possible = {(way.kind, way.column) for way in faults.ways(str(feed), drops.TEXT)}
        assert {(row.kind, row.column) for row in of_feed.itertuples()} <= possible


@pytest.mark.parametrize("format", drops.FORMATS)
def test_the_same_dirt_again_and_on_the_first_days_of_a_longer_store(tmp_path: Path, format: str) -> None:
    short, again, longer = (
        write(tmp_path / name, days, 0.3, format) for name, days in (("short", 6), ("again", 6), ("longer", 9))
    )
    assert content(short) == content(again)
    assert injected(short).equals(injected(again))
    assert content(short).items() <= content(longer).items()
    first = injected(longer).query("ds in @days", local_dict={"days": days_of(short)})
    assert len(first) > 100
    assert first.reset_index(drop=True).equals(injected(short))


def test_parquet_has_the_types_of_the_contract(tmp_path: Path) -> None:
    store = write(tmp_path, days=3, dirty=0, format=drops.PARQUET)
    for feed in FEEDS.values():
        files = store.landing / feed.name / "*.parquet"
        types = duckdb.sql(f"describe from '{files}'").fetchall()
        # DuckDB's name for an instant that is stored as one of UTC.
        columns = [feed.column(name) for name in delivered_columns(feed.name)]
        wanted = [(c.name, "TIMESTAMP WITH TIME ZONE" if c.type == INSTANT else c.type) for c in columns]
        assert [row[:2] for row in types] == wanted
        assert duckdb.sql(f"select count(*) from '{files}'").fetchall() == [(store.rows[feed.name],)]


def test_parquet_is_broken_where_types_allow_it(tmp_path: Path) -> None:
    store = write(tmp_path, format=drops.PARQUET)
    broken = injected(store)
    assert set(broken["kind"]) == IN_ANY_FORMAT
    assert broken["line"].isna().all()
    cut = broken[broken["kind"] == "file_cut_short"]
    for row in cut.itertuples():
        with pytest.raises(duckdb.Error):
            duckdb.sql(f"from '{drops.path(store.landing, row.feed, row.ds, drops.PARQUET)}'")
        drops.path(store.landing, row.feed, row.ds, drops.PARQUET).unlink()
    missing = broken[(broken["kind"] == "missing_key") & (broken["feed"] == "inventory")]
    files = store.landing / "inventory" / "*.parquet"
    assert len(missing) == duckdb.sql(f"select count(*) from '{files}' where sku is null").fetchall()[0][0] > 0


def _lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).split(b"\n")[:-1]


def _damage(feed: str, before: Path, after: Path) -> list[Record]:
    """What a reader who has both deliveries sees: where and how the second one differs."""
    clean = _lines(before)
    try:
        dirty = _lines(after)
    except EOFError:
        return [("", "file_cut_short", None, None)]
    seen, first = [], {_key(feed, line): line for line in clean}
    for line, (old, new) in enumerate(zip(clean, dirty[: len(clean)], strict=True), start=1):
        if old != new:
            seen.append((_key(feed, old), *_difference(feed, old, new, line)))
    for line, new in enumerate(dirty[len(clean) :], start=len(clean) + 1):
        if new in clean:
            seen.append((_key(feed, new), "duplicate_row", line, None))
        else:
            key = _key(feed, new)
            assert first[key] in dirty
            seen.append((key, "conflicting_row", line, _changed(feed, first[key], new)))
    return seen


def _key(feed: str, line: bytes) -> str:
    fields = _fields(feed, line)
    return "|".join(fields[name] for name in FEEDS[feed].key)


def _fields(feed: str, line: bytes) -> dict[str, str]:
    text = line.decode("latin-1")
    if feed == "events":
        return {name: str(json.loads(text).get(name, "")) for name in delivered_columns(feed)}
    return dict(zip(delivered_columns(feed), next(csv.reader([text])), strict=True))


def _changed(feed: str, old: bytes, new: bytes) -> str:
    before, after = _fields(feed, old), _fields(feed, new)
    (column,) = [name for name in before if before[name] != after[name]]
    return column


def _difference(feed: str, old: bytes, new: bytes, line: int) -> tuple[str, int, str | None]:
    if _is_cut(feed, old, new):
        return "truncated_line", line, None
    if new == old + b",surplus":
        return "wrong_column_count", line, None
    column = _changed(feed, old, new)
    return _kind(feed, column, new, _fields(feed, new)[column]), line, column


def _is_cut(feed: str, old: bytes, new: bytes) -> bool:
    if not old.startswith(new):
        return False
    if feed == "events":
        with pytest.raises(json.JSONDecodeError):
            json.loads(new)
    else:
        assert 0 < len(next(csv.reader([new.decode()], strict=True))) < len(delivered_columns(feed))
    return True


def _kind(feed: str, name: str, line: bytes, value: str) -> str:
    column = FEEDS[feed].column(name)
    try:
        line.decode()
    except UnicodeDecodeError:
        return "bad_encoding"
    if value == "":
        assert name in FEEDS[feed].key
        return "missing_key"
    if column.type in (DATE, INSTANT):
        return _kind_of_date(value)
    if column.type == TEXT:
        return _kind_of_text(name, value)
    try:
        assert float(value) < 0
    except ValueError:
        return "unparseable_number"
    return "negative_quantity"


def _kind_of_date(value: str) -> str:
    try:
        assert datetime.fromisoformat(value).year in (1970, 2099)
    except ValueError:
        return "unparseable_date"
    return "absurd_timestamp"


def _kind_of_text(name: str, value: str) -> str:
    if name == "event_type":
        assert value not in EVENT_TYPES
        return "unknown_event_type"
    if name == "currency":
        assert value == "QQQ"
        return "unknown_currency"
    assert value.startswith("NO-SUCH-")
    return "orphan_line"
