"""Quarantine holds exactly what the simulator broke, reason by reason, and what is not refused is accounted for."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from dirty import DIRTY, REASONS, DirtyShop, take_in

from pipelines.contract_sql import Reason
from pipelines.feeds import FEEDS
from pipelines.simulate import drops, faults
from pipelines.simulate.text import delivered_columns

# A file is refused as a whole, an exact repetition is counted as duplicate, and whether a line has an order is
# known only in the warehouse, since the order may come later.
NOT_REFUSED_BY_ROW = {faults.FILE_CUT_SHORT, faults.DUPLICATE_ROW, faults.ORPHAN_LINE}
# Feed, day, line, reason, column.
Refused = tuple[str, str, int | None, str, str | None]


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
