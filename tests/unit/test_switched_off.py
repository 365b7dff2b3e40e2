"""A model whose feeds are not loaded, or hold nothing of what it is about, is off by name; the others go on."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.questions import NAMES
from pipelines import ledger
from pipelines.home import Home
from pipelines.ledger import Partition
from pipelines.night_step import able_in

AS_OF = date(2025, 1, 6)


#   feeds that are loaded | rows in feat_cart | models that are on | what is said
STORES = [
    (("orders", "order_lines", "returns", "events"), 1, ["demand", "returns", "abandonment"], []),
    # Clicks without a cart among them.
    (("orders", "order_lines", "events"), 0, ["demand"], ["returns: off, no returns", "no rows in feat_cart"]),
    (("orders", "order_lines"), 0, ["demand"], ["returns: off, no returns", "abandonment: off, no events"]),
    (("events",), 1, ["abandonment"], ["demand: off, no orders, order_lines", "returns: off"]),
]


@pytest.mark.parametrize(("feeds", "carts", "on", "said"), STORES)
def test_what_a_store_has_nothing_for_is_off_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feeds: tuple[str, ...], carts: int, on: list[str], said: list[str]
) -> None:
    home, lines = Home.create(tmp_path / "home"), list[str]()
    loaded = {"ds": AS_OF, "sha256": "0" * 64, "fingerprint": "f", "loaded_at": "2025-01-07T00:00:00+00:00"}
    counts = dict.fromkeys(("rows_in", "rows_loaded", "rows_duplicate", "rows_quarantined", "rows_excluded"), 1)
    others = {"touched": (), "is_running": False, "is_bulk": False}
    parts = [Partition(feed=feed, **loaded, **counts, **others) for feed in feeds]
    monkeypatch.setattr(ledger, "all_partitions", lambda home, until: parts)
    (home.snapshots / "s").mkdir()
    pq.write_table(pa.table({"cart_key": ["k"] * carts}), home.snapshots / "s" / "feat_cart.parquet")
    ledger.append(home, "builds", {"as_of": str(AS_OF), "snapshot": "s"})
    assert able_in(home, AS_OF, None, lines.append) == on
    assert len(lines) == len(NAMES) - len(on) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))
