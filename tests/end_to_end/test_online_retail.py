"""A whole night on UCI Online Retail: every row accounted for, every oddity counted, money right to the cent."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from shop import NIGHTSHIFT

from pipelines import ledger
from pipelines.home import Home

ROOT = Path(__file__).parents[2]
LANDING = Path(os.environ.get("NIGHTSHIFT_TEST_DATA", ROOT.parent / "shared" / "data"))
DATA = LANDING / "online_retail.parquet"
SOURCES = ROOT / "examples" / "online_retail" / "sources.yml"
AS_OF = date(2011, 11, 11)
ROWS = 541_909
NOT_GOODS = r"POST|DOT|C2|23444|23574|M|D|S|B|CRUK|PADS|AMAZONFEE|BANK CHARGES|22016|GIFT_0001_[0-9]+"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there; see examples/online_retail/README.md")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str]:
    """The home after the README's command, and what the command said."""
    home = Home.create(tmp_path_factory.mktemp("retail") / "home")
    command = [NIGHTSHIFT, "run", "--home", home.root, "--sources", SOURCES, "--landing", LANDING]
    done = subprocess.run([*command, "--as-of", str(AS_OF), "--train"], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    return home, done.stderr


@pytest.fixture(scope="module")
def invoices() -> pd.DataFrame:
    """The file with what pandas makes of each line."""
    frame = pd.read_parquet(DATA)
    frame["sku"] = frame["StockCode"].str.upper()
    frame["at"] = frame.groupby("InvoiceNo")["InvoiceDate"].transform("min")
    frame["is_cancellation"] = frame["InvoiceNo"].str.startswith("C")
    frame["is_bad_debt"] = frame["InvoiceNo"].str.startswith("A")
    frame["is_goods"] = ~frame["sku"].str.fullmatch(NOT_GOODS)
    is_free = frame.groupby("InvoiceNo")["UnitPrice"].transform("max") <= 0
    frame["is_correction"] = (
        ~frame["is_cancellation"]
        & ~frame["is_bad_debt"]
        & ((frame["Quantity"] <= 0) | ((frame["UnitPrice"] == 0) & frame["CustomerID"].isna() & is_free))
    )
    frame["is_sale"] = ~(frame["is_cancellation"] | frame["is_bad_debt"] | frame["is_correction"]) & frame["is_goods"]
    return frame


@pytest.fixture(scope="module")
def sales(invoices: pd.DataFrame) -> pd.DataFrame:
    """The lines that are sales of goods, each once."""
    same = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice"]
    return invoices[invoices["is_sale"]].drop_duplicates(same)


@pytest.fixture(scope="module")
def cancelled(invoices: pd.DataFrame) -> pd.DataFrame:
    """Cancelled goods, each with the largest earlier purchase of its customer and stock code, found by a plain loop."""
    goods = invoices[invoices["is_goods"] & invoices["CustomerID"].notna()]
    bought = goods[~goods["is_cancellation"] & (goods["Quantity"] > 0)]
    purchases: dict[tuple[float, str], list[tuple[pd.Timestamp, float]]] = {}
    for line in bought.itertuples():
        purchases.setdefault((line.CustomerID, line.sku), []).append((line.InvoiceDate, line.Quantity))
    frame = goods[goods["is_cancellation"]].copy()
    frame["largest"] = [
        max((units for at, units in purchases.get((row.CustomerID, row.sku), []) if at <= row.InvoiceDate), default=0)
        for row in frame.itertuples()
    ]
    return frame


def _counts(home: Home, feed: str) -> dict[str, int]:
    parts = ledger.partitions(home, feed).values()
    return {name: sum(getattr(part, name) for part in parts) for name in ledger.ROW_COUNTS}


def test_the_oddities_are_those_that_the_readme_counts(
    invoices: pd.DataFrame, sales: pd.DataFrame, cancelled: pd.DataFrame
) -> None:
    assert len(invoices) == ROWS
    kinds = ["is_cancellation", "is_bad_debt", "is_correction"]
    assert invoices[kinds].sum().tolist() == [9_288, 3, 2_108]
    # What is none of the three, and no goods: carriage, fees, samples, vouchers, manual entries.
    assert int((~invoices[kinds].any(axis=1) & ~invoices["is_goods"]).sum()) == 2_447
    assert int(invoices["is_sale"].sum()) == 528_063 == ROWS - 9_288 - 3 - 2_108 - 2_447
    assert int(invoices["is_sale"].sum()) - len(sales) == 5_226
    assert int((invoices["UnitPrice"] < 0).sum()) == 2
    assert int((sales["UnitPrice"] == 0).sum()) == 394
    assert int(sales["CustomerID"].isna().sum()) == 131_747
    assert int((invoices.groupby("InvoiceNo")["InvoiceDate"].nunique() > 1).sum()) == 43
    is_cancelled_goods = invoices["is_cancellation"] & invoices["is_goods"]
    assert int((invoices["is_cancellation"] & ~invoices["is_goods"]).sum()) == 587
    assert int((is_cancelled_goods & invoices["CustomerID"].isna()).sum()) == 165
    assert len(cancelled) == 8_536
    assert int((cancelled["largest"] == 0).sum()) == 1_031
    assert int(((cancelled["largest"] > 0) & (cancelled["largest"] < -cancelled["Quantity"])).sum()) == 84


def test_every_row_is_accounted_for(night: tuple[Home, str], sales: pd.DataFrame, cancelled: pd.DataFrame) -> None:
    home, _ = night
    matched = cancelled[cancelled["largest"] >= -cancelled["Quantity"]]
    same = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice"]
    expected = {
        "orders": sales["InvoiceNo"].nunique(),
        "order_lines": len(sales),
        "returns": len(matched.drop_duplicates(same)),
        "products": sales["sku"].nunique(),
    }
    for feed, loaded in expected.items():
        counts = _counts(home, feed)
        assert counts["rows_in"] + counts["rows_excluded"] == ROWS
        assert counts["rows_in"] == counts["rows_loaded"] + counts["rows_duplicate"] + counts["rows_quarantined"]
        assert (counts["rows_loaded"], counts["rows_quarantined"]) == (loaded, 0), feed


def test_a_return_belongs_to_an_earlier_line_of_its_customer_and_sku(night: tuple[Home, str]) -> None:
    home, _ = night
    raw = {feed: f"read_parquet('{home.raw}/{feed}/*/data.parquet')" for feed in ("returns", "order_lines", "orders")}
    total, is_right = duckdb.sql(
        f"""
        select count(*), count(*) filter (
            where lines.sku = upper(split_part(returns.return_id, '-', 2))
                and returns.quantity <= lines.quantity and returns.requested_at >= orders.ordered_at
                and orders.customer_id is not null)
        from {raw["returns"]} as returns
        left join {raw["order_lines"]} as lines using (order_line_id)
        left join {raw["orders"]} as orders using (order_id)
        """
    ).fetchall()[0]
    assert total == is_right > 7_000


def test_money_arrives_to_the_cent(night: tuple[Home, str], sales: pd.DataFrame) -> None:
    home, _ = night
    known = sales[sales["at"].dt.date <= AS_OF]
    # Every price has at most three decimals; a line's value is rounded half away from zero, as money is.
    value = sum(
        (Decimal(str(row.UnitPrice)) * Decimal(int(row.Quantity))).quantize(Decimal("0.01"), "ROUND_HALF_UP")
        for row in known.itertuples()
    )
    with duckdb.connect(str(home.published / "warehouse.duckdb"), read_only=True) as connection:
        lines = connection.sql("select sum(net_revenue_amount), sum(units) from marts.fct_order_lines").fetchall()
        daily = connection.sql("select sum(net_revenue_amount) from marts.fct_product_sales_daily").fetchall()
    assert lines == [(value, Decimal(int(known["Quantity"].sum())))]
    assert daily == [(value,)]


def test_the_night_says_once_what_it_switched_off_and_goes_on(night: tuple[Home, str]) -> None:
    home, said = night
    (line,) = [line for line in said.splitlines() if line.startswith("off for want of feeds")]
    assert "sessions and funnels (no events)" in line
    assert "stock status of a day (no inventory)" in line
    manifest_file = home.exports / "demand_forecast" / "v1" / f"as_of={AS_OF}" / "manifest.json"
    manifest = json.loads(manifest_file.read_text())
    rows = duckdb.sql(
        "select min(forecast_date), max(forecast_date), count(distinct sku), count(*) "
        f"from read_parquet('{manifest_file.parent / manifest['files'][0]['name']}')"
    ).fetchall()[0]
    assert rows[:2] == (date(2011, 11, 12), date(2011, 12, 9))
    assert rows[3] == rows[2] * 28 == manifest["row_count"]


def test_each_sku_sold_by_then_is_forecast(night: tuple[Home, str], sales: pd.DataFrame) -> None:
    home, _ = night
    skus = set(sales.loc[sales["at"].dt.date <= AS_OF, "sku"])
    with duckdb.connect(str(home.published / "warehouse.duckdb"), read_only=True) as connection:
        forecast = {row[0] for row in connection.sql("select distinct sku from exports.exp_demand_forecast").fetchall()}
    assert forecast == skus
