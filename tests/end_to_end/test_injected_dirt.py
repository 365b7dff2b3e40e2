"""Quarantine holds exactly what the simulator broke, reason by reason, and what is not refused is accounted for."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from shop import Shop

from pipelines import nights
from pipelines.contract_sql import Reason
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.ingest import LoadReport, ingest
from pipelines.simulate import SimulatedStore, drops, faults, simulate, sources_yml
from pipelines.simulate.arguments import Arguments
from pipelines.simulate.text import delivered_columns

FIRST_DAY, DAYS = date(2025, 3, 20), 15
# Dirty enough that in one small store every kind comes.
DIRTY = 0.3

# Why a row broken in this way is refused.
REASONS = {
    faults.UNPARSEABLE_NUMBER: Reason.UNPARSEABLE_VALUE,
    faults.UNPARSEABLE_DATE: Reason.UNPARSEABLE_VALUE,
    faults.MISSING_KEY: Reason.MISSING_VALUE,
    faults.NEGATIVE_QUANTITY: Reason.OUT_OF_RANGE,
    faults.ABSURD_TIMESTAMP: Reason.OUT_OF_RANGE,
    faults.UNKNOWN_EVENT_TYPE: Reason.UNKNOWN_VALUE,
    faults.UNKNOWN_CURRENCY: Reason.UNKNOWN_VALUE,
    faults.TRUNCATED_LINE: Reason.MALFORMED_LINE,
    faults.WRONG_COLUMN_COUNT: Reason.MALFORMED_LINE,
    faults.BAD_ENCODING: Reason.MALFORMED_LINE,
    # Of two rows of one key and one instant the first is kept; the second one is refused.
    faults.CONFLICTING_ROW: Reason.CONFLICTING_KEY,
}
# A file is refused as a whole, an exact repetition is counted as duplicate, and whether a line has an order is
# known only in the warehouse, since the order may come later.
NOT_REFUSED_BY_ROW = {faults.FILE_CUT_SHORT, faults.DUPLICATE_ROW, faults.ORPHAN_LINE}
# Feed, day, line, reason, column.
Refused = tuple[str, str, int | None, str, str | None]


@dataclass(frozen=True)
class DirtyShop:
    """A simulated store that was broken and taken in; `injected` is the truth about it, `reports` by feed."""

    shop: Shop
    store: SimulatedStore
    injected: pd.DataFrame
    reports: Mapping[str, LoadReport]
    format: str

    def struck(self, feed: str, *kinds: str) -> pd.DataFrame:
        rows = self.injected[self.injected["feed"] == feed]
        return rows[rows["kind"].isin(kinds)]


def take_in(folder: Path, seed: int, dirty: float, format: str, days: int = DAYS) -> DirtyShop:
    """Simulate and ingest; a file that is refused as a whole is taken away, as if it came late."""
    shop = Shop(folder)
    truth, landing = folder / "truth", shop.settings.landing_folder
    arguments = Arguments(0.02, days, seed, FIRST_DAY, dirty=dirty, format=format)
    store = simulate(landing, truth, arguments, lambda line: None)
    shop.settings.sources_file.write_text(sources_yml(format))
    injected = pd.read_parquet(truth / "injected.parquet")
    for cut in injected[injected["kind"] == faults.FILE_CUT_SHORT].itertuples():
        _is_refused_by_name(shop, drops.path(landing, cut.feed, cut.ds, format))
    # Again, since each feed that was asked for alone had the calendar of its day loaded before it.
    reports = ingest(shop.settings, None, None, None, lambda line: None, again=True)
    return DirtyShop(shop, store, injected, {report.feed: report for report in reports}, format)


def _is_refused_by_name(shop: Shop, path: Path) -> None:
    feed, day = path.parent.name, date.fromisoformat(path.name[:10])
    message = re.escape(f"{feed}/{path.name}: ") + "(damaged archive|no whole Parquet)"
    with pytest.raises(NightshiftError, match=message):
        shop.ingest(feed, first=day, last=day)
    assert (day,) not in shop.raw(feed, "ds") + shop.quarantined(feed, "ds", "ds")
    path.unlink()


@pytest.fixture(autouse=True)
def _any_share_may_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_QUARANTINE_MAX_SHARE", "1")


def test_quarantine_is_what_was_broken(tmp_path: Path) -> None:
    dirty = take_in(tmp_path, seed=2, dirty=DIRTY, format=drops.TEXT)
    assert set(dirty.injected["kind"]) == set(REASONS) | NOT_REFUSED_BY_ROW
    _hold(dirty)
    _hold_rows(dirty)


@pytest.mark.campaign
@pytest.mark.parametrize("share", [0.02, DIRTY])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_quarantine_is_what_was_broken_in_other_stores(tmp_path: Path, seed: int, share: float) -> None:
    dirty = take_in(tmp_path, seed, share, drops.TEXT, days=20)
    assert len(dirty.injected) > 20
    _hold(dirty)
    _hold_rows(dirty)


def test_quarantine_is_what_was_broken_in_parquet(tmp_path: Path) -> None:
    dirty = take_in(tmp_path, seed=2, dirty=DIRTY, format=drops.PARQUET)
    assert len(dirty.struck("order_lines", faults.MISSING_KEY)) > 0
    _hold(dirty)


@pytest.mark.campaign
def test_the_warehouse_flags_the_lines_whose_order_is_not_there(tmp_path: Path) -> None:
    dirty = take_in(tmp_path, seed=2, dirty=DIRTY, format=drops.TEXT)
    nights.build(dirty.shop.settings, dirty.store.last_day, "test", lambda line: None)
    orders = {order for (order,) in dirty.shop.raw("orders", "order_id")}
    # Later states come later, so that the last one of a line stays.
    order_of = dict(dirty.shop.raw("order_lines", "order_line_id, order_id", "updated_at, ds"))
    expected = sorted(line for line, order in order_of.items() if order not in orders)
    assert set(dirty.struck("order_lines", faults.ORPHAN_LINE)["key"]) & set(expected)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as warehouse:
        flagged = warehouse.sql("select order_line_id from marts.fct_order_lines where is_orphan order by 1").fetchall()
        orphans = warehouse.sql(
            "select row_id from marts.mart_orphans where feed = 'order_lines' and referenced_feed = 'orders' order by 1"
        ).fetchall()
    assert [line for (line,) in flagged] == expected
    assert [line for (line,) in orphans] == expected


def test_both_formats_give_the_same_raw_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One key, so that personal data is hashed alike in both homes.
    monkeypatch.setenv("NIGHTSHIFT_PII_KEY", "ab" * 32)
    text, parquet = (take_in(tmp_path / format, 3, 0, format) for format in drops.FORMATS)
    for feed in FEEDS:
        rows = text.shop.raw(feed)
        assert len(rows) == text.reports[feed].rows_loaded > 0
        assert parquet.shop.raw(feed) == rows
        assert text.shop.quarantined(feed) == parquet.shop.quarantined(feed) == []


def _hold(dirty: DirtyShop) -> None:
    """What holds in every format: the refused rows, each feed's account, and the rows that are let in."""
    for feed in FEEDS:
        broken = dirty.struck(feed, *REASONS)
        refused = Counter(dirty.shop.quarantined(feed, "feed, ds::VARCHAR, line, reason, column_name"))
        assert refused == Counter(_expected(row) for row in broken.itertuples())
        files = dirty.shop.quarantined(feed, "distinct file, ds::VARCHAR", "all")
        assert [file for file, _ in files] == [drops.name(feed, ds, dirty.format) for _, ds in files]
        report = dirty.reports[feed]
        assert report.rows_in == dirty.store.rows[feed]
        assert report.rows_quarantined == len(broken)
        assert report.rows_loaded == report.rows_in - report.rows_duplicate - report.rows_quarantined
        # The clickstream sends some events twice of its own accord.
        repeated = len(dirty.struck(feed, faults.DUPLICATE_ROW))
        assert report.rows_duplicate == repeated or (feed == "events" and report.rows_duplicate > repeated)
        said, value = faults.CONTRADICTIONS[feed]
        assert dirty.shop.raw(feed, f"count(*) filter (where {said}::VARCHAR = '{value}')") == [(0,)]
    _hold_orphans(dirty)


def _expected(row: pd.Series) -> Refused:
    """A row that cannot be told into columns has no column at fault; of a conflict it is the key."""
    reason = REASONS[row.kind]
    column = FEEDS[row.feed].key[0] if reason == Reason.CONFLICTING_KEY else row.column
    line = None if pd.isna(row.line) else int(row.line)
    return row.feed, row.ds, line, str(reason), None if reason == Reason.MALFORMED_LINE else column


def _hold_orphans(dirty: DirtyShop) -> None:
    for feed, (parent, value) in faults.PARENTS.items():
        orphans = dirty.struck(feed, faults.ORPHAN_LINE)
        (key,) = FEEDS[feed].key
        rows = dirty.shop.raw(feed, f"case when {parent} = '{value}' then ds::VARCHAR || ' ' || {key} end", "1")
        assert [row for (row,) in rows if row] == sorted(orphans["ds"] + " " + orphans["key"])


def _hold_rows(dirty: DirtyShop) -> None:
    """Every key of a line that nobody broke is in raw, once a day, and no other key is; the rest are duplicates."""
    for feed in FEEDS:
        refused = {(row.ds, row.line) for row in dirty.struck(feed, *REASONS).itertuples()}
        keys: list[tuple[str, ...]] = []
        for path in sorted((dirty.store.landing / feed).iterdir()):
            ds = path.name[:10]
            lines = gzip.decompress(path.read_bytes()).decode("latin-1").split("\n")[:-1]
            header = drops.header_lines(feed, dirty.format) or 0
            numbered = [(line, text) for line, text in enumerate(lines, start=1) if line > header]
            keys += [(ds, *_key(feed, text)) for line, text in numbered if (ds, line) not in refused]
        names = ", ".join(f"coalesce({name}::VARCHAR, '')" for name in FEEDS[feed].key)
        assert sorted(set(keys)) == dirty.shop.raw(feed, f"ds::VARCHAR, {names}")
        assert dirty.reports[feed].rows_duplicate == len(keys) - len(set(keys))


def _key(feed: str, line: str) -> tuple[str, ...]:
    names = delivered_columns(feed)
    fields = json.loads(line) if feed == "events" else dict(zip(names, next(csv.reader([line])), strict=True))
    return tuple(str(fields[name]) for name in FEEDS[feed].key)
