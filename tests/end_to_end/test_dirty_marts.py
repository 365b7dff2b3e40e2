"""The warehouse of a dirty store is the one of the clean store's deliveries without the rows that were broken."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from dirty import DAYS, DIRTY, FIRST_DAY, REASONS, DirtyShop, take_in

from pipelines import nights
from pipelines.simulate import drops, faults, simulate
from pipelines.simulate.arguments import Arguments

SEED = 2


class Expected:
    """What pandas makes of the clean deliveries, row by row, less what was broken in the dirty ones."""

    def __init__(self, landing: Path, dirty: DirtyShop) -> None:
        self._landing, self._dirty = landing, dirty

    def rows(self, feed: str, key: str) -> pd.DataFrame:
        """Every delivered row that is let in, with its day; one a key and day. A key of two columns is "one|other"."""
        cut = set(self._dirty.struck(feed, faults.FILE_CUT_SHORT)["ds"])
        days = [_read(path) for path in sorted((self._landing / feed).iterdir()) if path.name[:10] not in cut]
        rows = pd.concat(days)
        rows[key] = rows[key.split("|")].agg("|".join, axis=1)
        # Of a click that was sent twice one may be broken and the other not.
        broken = self._dirty.struck(feed, *(set(REASONS) - {faults.CONFLICTING_ROW})).groupby(["ds", "key"]).size()
        broken_copies = broken.reindex(pd.MultiIndex.from_frame(rows[["ds", key]]), fill_value=0).to_numpy()
        is_left = rows.groupby(["ds", key]).cumcount() >= broken_copies
        return rows[is_left].drop_duplicates([key, "ds"])

    def lines(self) -> pd.DataFrame:
        """The latest state of every line whose order is known, with the order's."""
        lines = self.rows("order_lines", "order_line_id")
        lost = self._dirty.struck("order_lines", faults.ORPHAN_LINE)[["ds", "key"]]
        is_lost = pd.MultiIndex.from_frame(lines[["ds", "order_line_id"]]).isin(pd.MultiIndex.from_frame(lost))
        lines.loc[is_lost, "order_id"] = "unknown"
        orders = _latest(self.rows("orders", "order_id"), "order_id")
        return _latest(lines, "order_line_id").merge(orders, on="order_id", suffixes=("", "_order"))


def _read(path: Path) -> pd.DataFrame:
    text = io.BytesIO(gzip.decompress(path.read_bytes()))
    if path.name.endswith(".jsonl.gz"):
        rows = pd.read_json(text, lines=True, dtype=False, convert_dates=False)
    else:
        rows = pd.read_csv(text, dtype=str, keep_default_na=False)
    return rows.assign(ds=path.name[:10])


def _latest(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    return rows.sort_values(["updated_at", "ds"]).drop_duplicates(key, keep="last")


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirtyShop]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHIFT_QUARANTINE_MAX_SHARE", "1")
        shop = take_in(tmp_path_factory.mktemp("dirty"), SEED, DIRTY, drops.TEXT)
        nights.build(shop.shop.settings, shop.store.last_day, "test", lambda _: None)
        yield shop


@pytest.fixture(scope="module")
def expected(dirty: DirtyShop, tmp_path_factory: pytest.TempPathFactory) -> Expected:
    folder = tmp_path_factory.mktemp("clean")
    simulate(folder / "landing", folder / "truth", Arguments(0.02, DAYS, SEED, FIRST_DAY), lambda _: None)
    return Expected(folder / "landing", dirty)


@pytest.fixture(scope="module")
def warehouse(dirty: DirtyShop) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(dirty.shop.root / "warehouse.duckdb"), read_only=True) as connection:
        yield connection


def test_units_of_every_sku_and_day(expected: Expected, warehouse: duckdb.DuckDBPyConnection) -> None:
    lines = expected.lines()
    ordered, cancelled = lines["quantity"].astype(int), lines["cancelled_quantity"].replace("", "0").astype(int)
    lines["units"] = (ordered - cancelled).where(lines["status"] != "cancelled", 0)
    lines["ordered"] = ordered
    lines["day"] = pd.to_datetime(lines["ordered_at"]).dt.tz_convert("Europe/London").dt.strftime("%Y-%m-%d")
    true = lines.groupby(["sku", "day"])[["ordered", "units"]].sum().reset_index()
    made = warehouse.sql("""
        select sku, sold_on::varchar, units_ordered::bigint, units::bigint from marts.fct_product_sales_daily
        where units_ordered > 0 order by all""").fetchall()
    assert made == sorted(true.itertuples(index=False, name=None))
    assert len(made) > 100


def test_clicks_of_every_session(expected: Expected, warehouse: duckdb.DuckDBPyConnection) -> None:
    clicks = expected.rows("events", "event_id").sort_values("ds").drop_duplicates("event_id", keep="last")
    true = clicks.groupby("session_id").size()
    made = warehouse.sql("select session_id, event_count::bigint from marts.fct_sessions order by all").fetchall()
    assert made == sorted(true.items())
    assert len(made) > 500


def test_closing_stock_of_every_day(expected: Expected, warehouse: duckdb.DuckDBPyConnection) -> None:
    stock = expected.rows("inventory", "sku|location_id")
    made = warehouse.sql("""
        select sku, stock_on::varchar, units_on_hand::bigint from marts.fct_inventory_daily order by all""").fetchall()
    assert made == sorted((row.sku, row.ds, int(row.on_hand)) for row in stock.itertuples())
    assert len(made) > 300


def test_lines_whose_order_is_not_there_are_told(dirty: DirtyShop, warehouse: duckdb.DuckDBPyConnection) -> None:
    orders = {order for (order,) in dirty.shop.raw("orders", "order_id")}
    # Later states come later, so that the last one of a line stays.
    order_of = dict(dirty.shop.raw("order_lines", "order_line_id, order_id", "updated_at, ds"))
    true = sorted(line for line, order in order_of.items() if order not in orders)
    assert set(dirty.struck("order_lines", faults.ORPHAN_LINE)["key"]) & set(true)
    flagged = warehouse.sql("select order_line_id from marts.fct_order_lines where is_orphan order by 1").fetchall()
    orphans = warehouse.sql(
        "select row_id from marts.mart_orphans where feed = 'order_lines' and referenced_feed = 'orders' order by 1"
    ).fetchall()
    assert [line for (line,) in flagged] == true
    assert [line for (line,) in orphans] == true
