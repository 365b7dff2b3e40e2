"""A simulated store with rows broken on purpose, taken in; the truth about it beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from shop import Shop

from pipelines.contract_sql import Reason
from pipelines.errors import NightshiftError
from pipelines.ingest import LoadReport, ingest
from pipelines.simulate import SimulatedStore, drops, faults, simulate, sources_yml
from pipelines.simulate.arguments import Arguments

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
