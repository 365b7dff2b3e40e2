"""A whole night on UCI Online Retail: every row accounted for, every oddity counted, money right to the cent."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

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
NO_COUNTRY = ["Channel Islands", "European Community", "Unspecified"]
SAME = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice"]

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there; see examples/online_retail/README.md")


@pytest.fixture(
    scope="module", params=[False, pytest.param(True, marks=pytest.mark.campaign)], ids=["untrained", "trained"]
)
def night(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Home, str]:
    """The home after the README's command, in the short form without its training, and what the command said."""
    home = Home.create(tmp_path_factory.mktemp("retail") / "home")
    command = [NIGHTSHIFT, "run", "--home", home.root, "--sources", SOURCES, "--landing", LANDING]
    command += ["--as-of", str(AS_OF), *(["--train"] if request.param else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
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
    return invoices[invoices["is_sale"]].drop_duplicates(SAME)


@pytest.fixture(scope="module")
def cancelled(invoices: pd.DataFrame) -> pd.DataFrame:
    """Cancelled goods of known customers, with the purchase that the README's rules name, found by a plain loop."""
    goods = invoices[invoices["is_goods"] & invoices["CustomerID"].notna()]
    purchases: dict[tuple[float, str], list[Purchase]] = {}
    for line in goods[~goods["is_cancellation"] & (goods["Quantity"] > 0)].itertuples():
        purchase = Purchase(line.Quantity, line.InvoiceDate, line.UnitPrice)
        purchases.setdefault((line.CustomerID, line.sku), []).append(purchase)
    frame = goods[goods["is_cancellation"]].copy()
    earlier = [
        [purchase for purchase in purchases.get((row.CustomerID, row.sku), []) if purchase.at <= row.InvoiceDate]
        for row in frame.itertuples()
    ]
    frame["largest"] = [max((purchase.units for purchase in found), default=0) for found in earlier]
    frame["purchase"] = [
        _cancelled_purchase(found, -row.Quantity, row.UnitPrice)
        for found, row in zip(earlier, frame.itertuples(), strict=True)
    ]
    return frame


class Purchase(NamedTuple):
    """An earlier line; the largest comes last in order, and of equally large ones the latest."""

    units: float
    at: pd.Timestamp
    price: float


def _cancelled_purchase(earlier: list[Purchase], units: float, price: float) -> Purchase | None:
    enough = [purchase for purchase in earlier if purchase.units >= units]
    at_price = [purchase for purchase in enough if purchase.price == price]
    exact = [purchase for purchase in at_price if purchase.units == units]
    return max(exact or at_price or enough, default=None)


def _counts(home: Home, feed: str) -> dict[str, int]:
    parts = ledger.partitions(home, feed).values()
    return {name: sum(getattr(part, name) for part in parts) for name in ledger.ROW_COUNTS}


def _raw(home: Home, feed: str) -> str:
    return f"read_parquet('{home.raw}/{feed}/*/data.parquet')"


def _money(unit_price: float, units: float) -> Decimal:
    """A line's value, rounded half away from zero, as money is."""
    return (Decimal(str(unit_price)) * Decimal(int(units))).quantize(Decimal("0.01"), "ROUND_HALF_UP")


def test_the_oddities_are_those_that_the_readme_counts(
    invoices: pd.DataFrame, sales: pd.DataFrame, cancelled: pd.DataFrame
) -> None:
    assert (len(invoices), invoices["InvoiceNo"].nunique()) == (ROWS, 25_900)
    kinds = ["is_cancellation", "is_bad_debt", "is_correction"]
    assert invoices[kinds].sum().tolist() == [9_288, 3, 2_108]
    assert int((invoices["is_correction"] & (invoices["Quantity"] <= 0)).sum()) == 1_336
    assert int((invoices["is_correction"] & (invoices["Quantity"] > 0)).sum()) == 772
    assert int((~invoices["is_goods"]).sum()) == 3_049
    # What is none of the three, and no goods: carriage, fees, samples, vouchers, manual entries.
    assert int((~invoices[kinds].any(axis=1) & ~invoices["is_goods"]).sum()) == 2_447
    assert int(invoices["is_sale"].sum()) == 528_063 == ROWS - 9_288 - 3 - 2_108 - 2_447
    assert int(invoices["is_sale"].sum()) - len(sales) == 5_226
    assert int((invoices["UnitPrice"] < 0).sum()) == 2
    assert int((sales["UnitPrice"] == 0).sum()) == 394
    guests = sales[sales["CustomerID"].isna()]
    assert (len(guests), guests["InvoiceNo"].nunique()) == (131_747, 1_380)
    assert int((sales["StockCode"] != sales["sku"]).sum()) == 1_942
    assert (sales["StockCode"].nunique(), sales["sku"].nunique()) == (3_904, 3_795)
    assert sales.loc[sales["Country"].isin(NO_COUNTRY), "InvoiceNo"].nunique() == 41
    assert int((invoices.groupby("InvoiceNo")["InvoiceDate"].nunique() > 1).sum()) == 43
    is_cancelled_goods = invoices["is_cancellation"] & invoices["is_goods"]
    assert int((invoices["is_cancellation"] & ~invoices["is_goods"]).sum()) == 587
    assert int((is_cancelled_goods & invoices["CustomerID"].isna()).sum()) == 165
    assert len(cancelled) == 8_536
    assert int((cancelled["largest"] == 0).sum()) == 1_031
    assert int(((cancelled["largest"] > 0) & (cancelled["largest"] < -cancelled["Quantity"])).sum()) == 84
    matched = cancelled[cancelled["purchase"].notna()]
    assert (len(matched), len(matched.drop_duplicates(SAME))) == (7_421, 7_391)


def test_every_row_is_accounted_for(night: tuple[Home, str], sales: pd.DataFrame, cancelled: pd.DataFrame) -> None:
    home, _ = night
    matched = cancelled[cancelled["largest"] >= -cancelled["Quantity"]]
    expected = {
        "orders": sales["InvoiceNo"].nunique(),
        "order_lines": len(sales),
        "returns": len(matched.drop_duplicates(SAME)),
        "products": sales["sku"].nunique(),
    }
    for feed, loaded in expected.items():
        counts = _counts(home, feed)
        assert counts["rows_in"] + counts["rows_excluded"] == ROWS
        assert counts["rows_in"] == counts["rows_loaded"] + counts["rows_duplicate"] + counts["rows_quarantined"]
        assert (counts["rows_loaded"], counts["rows_quarantined"]) == (loaded, 0), feed


def test_what_is_loaded_is_each_sale_of_goods(night: tuple[Home, str], sales: pd.DataFrame) -> None:
    home, _ = night
    loaded = duckdb.sql(
        f"""
        select lines.order_id, orders.customer_id, lines.sku, lines.quantity::double, lines.unit_price::double,
            timezone('Europe/London', timezone('UTC', orders.ordered_at)) as ordered_at, lines.business_date::varchar
        from {_raw(home, "order_lines")} as lines full join {_raw(home, "orders")} as orders using (order_id)
        """
    ).fetchall()
    customers = sales["CustomerID"].map(lambda number: None if pd.isna(number) else str(int(number)))
    days = sales["at"].dt.strftime("%Y-%m-%d")
    columns = (sales["InvoiceNo"], customers, sales["sku"], sales["Quantity"], sales["UnitPrice"], sales["at"], days)
    assert Counter(loaded) == Counter(zip(*columns, strict=True))
    (value,) = duckdb.sql(f"select sum(quantity * unit_price) from {_raw(home, 'order_lines')}").fetchall()[0]
    pence = (sales["Quantity"] * (sales["UnitPrice"] * 100).round()).sum()
    assert value == Decimal(int(pence)) / 100


def test_a_return_belongs_to_the_line_it_most_likely_cancels(night: tuple[Home, str], cancelled: pd.DataFrame) -> None:
    home, _ = night
    loaded = duckdb.sql(
        f"""
        select split_part(returns.return_id, '-', 1), orders.customer_id, lines.sku, returns.quantity::int,
            returns.refund_amount, lines.quantity::int, lines.unit_price::double,
            returns.requested_at >= orders.ordered_at
        from {_raw(home, "returns")} as returns
        left join {_raw(home, "order_lines")} as lines using (order_line_id)
        left join {_raw(home, "orders")} as orders using (order_id)
        """
    ).fetchall()
    expected = [
        (
            row.InvoiceNo,
            str(int(row.CustomerID)),
            row.sku,
            int(-row.Quantity),
            _money(row.UnitPrice, -row.Quantity),
            int(row.purchase.units),
            row.purchase.price,
            True,
        )
        for row in cancelled[cancelled["purchase"].notna()].drop_duplicates(SAME).itertuples()
    ]
    assert Counter(loaded) == Counter(expected)
    is_exact = [row[3] == row[5] and row[4] == _money(row[6], row[3]) for row in expected]
    is_price = [row[4] == _money(row[6], row[3]) for row in expected]
    assert (sum(is_exact), sum(is_price) - sum(is_exact), len(expected) - sum(is_price)) == (2_751, 4_328, 312)
    beyond = duckdb.sql(
        f"""
        select count(*) from (
            select order_line_id from {_raw(home, "returns")} as returns
            join {_raw(home, "order_lines")} as lines using (order_line_id)
            group by order_line_id having sum(returns.quantity) > any_value(lines.quantity)
        )
        """
    ).fetchall()
    assert beyond == [(72,)]


def test_money_arrives_to_the_cent(night: tuple[Home, str], sales: pd.DataFrame) -> None:
    home, _ = night
    known = sales[sales["at"].dt.date <= AS_OF]
    value = sum(_money(row.UnitPrice, row.Quantity) for row in known.itertuples())
    with duckdb.connect(str(home.published / "warehouse.duckdb"), read_only=True) as connection:
        lines = connection.sql("select sum(net_revenue_amount), sum(units) from marts.fct_order_lines").fetchall()
        daily = connection.sql("select sum(store_net_revenue_amount) from marts.fct_product_sales_daily").fetchall()
    assert lines == [(value, Decimal(int(known["Quantity"].sum())))]
    assert daily == [(value,)]


def test_customers_returns_and_top_products_are_those_of_pandas(
    night: tuple[Home, str], sales: pd.DataFrame, cancelled: pd.DataFrame
) -> None:
    home, _ = night
    known = sales[sales["at"].dt.date <= AS_OF]
    value = pd.Series([_money(row.UnitPrice, row.Quantity) for row in known.itertuples()], index=known["sku"])
    top = value.groupby(level=0).sum().sort_values(ascending=False).head(10)
    back = cancelled[cancelled["purchase"].notna() & (cancelled["InvoiceDate"].dt.date <= AS_OF)].drop_duplicates(SAME)
    with duckdb.connect(str(home.published / "warehouse.duckdb"), read_only=True) as connection:
        customers = connection.sql("select count(*), sum(order_count) from marts.mart_customer_rfm").fetchall()
        products = connection.sql(
            "select sku, store_net_revenue_amount from marts.mart_returns_sku order by 2 desc limit 10"
        ).fetchall()
        units = connection.sql("select sum(units_returned), sum(units) from marts.mart_returns_sku").fetchall()
    named = known[known["CustomerID"].notna()]
    assert customers == [(named["CustomerID"].nunique(), named["InvoiceNo"].nunique())]
    assert products == list(top.items())
    assert units == [(int(-back["Quantity"].sum()), int(known["Quantity"].sum()))]


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


def test_without_inventory_and_costs_no_order_is_made_up_and_the_reason_says_so(night: tuple[Home, str]) -> None:
    home, _ = night
    with duckdb.connect(str(home.published / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.sql(
            "select count(*), count(order_quantity), count(expected_margin_at_risk), count(lead_time_units_p90), "
            "count(*) filter (where reason like 'no stock is counted, so no order is worked out;%') "
            "from exports.exp_replenishment where lead_time_units_mean > 0"
        ).fetchall()[0]
    assert rows[0] > 1_000
    assert rows[1:] == (0, 0, rows[0], rows[0])
