"""The marts against pandas, which computes them anew from the facts; and the queries their descriptions show."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from shop import LAST_DAY, nightshift

from pipelines import nights, warehouse
from pipelines.settings import Settings

AS_OF = pd.Timestamp(LAST_DAY)
WINDOW = 45


@pytest.fixture(scope="module")
def published(night_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(night_home / "published" / "warehouse.duckdb"), read_only=True) as connection:
        yield connection


def _frame(connection: duckdb.DuckDBPyConnection, table: str) -> pd.DataFrame:
    """A table of the marts; its decimals come as floats."""
    return connection.execute(f"from marts.{table}").df()


def test_every_example_query_runs_and_shows_something(published: duckdb.DuckDBPyConnection) -> None:
    described = published.sql(
        "select table_name, comment from duckdb_tables() where starts_with(table_name, 'mart_') order by 1"
    ).fetchall()
    assert len(described) >= 14
    empty = set()
    for table, comment in described:
        query = comment.split("Example query:")[1]
        assert f"marts.{table}" in query
        if not published.execute(query).fetchall():
            empty.add(table)
    # A store of one currency with a whole catalog, forty SKUs and four months has nothing to show in these.
    assert empty <= {"mart_currencies", "mart_catalog_completeness", "mart_product_pairs", "mart_returns_customers"}


def test_pairs_are_counted_order_by_order(published: duckdb.DuckDBPyConnection) -> None:
    lines = _frame(published, "fct_order_lines").query("units > 0")
    baskets = lines.groupby("order_id")["sku"].agg(lambda skus: sorted(set(skus)))
    alone = lines.groupby("sku")["order_id"].nunique()
    together = pd.Series([pair for skus in baskets for pair in combinations(skus, 2)]).value_counts()
    expected = {
        pair: (count, count / len(baskets), count * len(baskets) / (alone[pair[0]] * alone[pair[1]]))
        for pair, count in together.items()
        if count >= 3
    }
    made = _frame(published, "mart_product_pairs")
    assert len(made) == len(expected) > 5
    for row in made.itertuples():
        assert (row.pair_order_count, row.support_pct, row.lift) == pytest.approx(expected[row.sku, row.other_sku])


def test_return_rates_are_of_lines_old_enough(published: duckdb.DuckDBPyConnection) -> None:
    lines = _frame(published, "fct_order_lines")
    returns = _frame(published, "fct_returns").query("not is_rejected")
    in_time = (returns["requested_on"] - returns["ordered_on"]).dt.days <= WINDOW
    back = returns[in_time].groupby("order_line_id")["units_returned"].sum()
    lines["back"] = lines["order_line_id"].map(back).fillna(0.0)
    mature = lines[(AS_OF - lines["ordered_on"]).dt.days >= WINDOW].groupby("sku")
    expected = mature["back"].sum() / mature["units"].sum()
    made = _frame(published, "mart_returns_sku").set_index("sku")["return_pct"]
    assert made.notna().sum() == len(expected) > 20
    pd.testing.assert_series_equal(made.dropna().sort_index(), expected.sort_index(), check_names=False)
    assert 0.05 < expected.mean() < 0.4


def test_stock_health_is_the_last_days_counted_by_hand(published: duckdb.DuckDBPyConnection) -> None:
    days = _frame(published, "fct_product_sales_daily")
    made = _frame(published, "mart_stock_health").set_index("sku")
    assert set(made.index) == set(days["sku"])
    for sku, group in days.groupby("sku"):
        last = group[group["sold_on"] > AS_OF - pd.Timedelta(days=28)]
        without = ((last["units_on_hand"] == 0) & (last["units"] == 0)).sum()
        known = min(28, (AS_OF - group["sold_on"].min()).days + 1)
        pace = last["units"].sum() / (known - without) if known > without else float("nan")
        on_hand = group.sort_values("sold_on")["units_on_hand"].iloc[-1]
        cover = on_hand / pace if pace else float("nan")
        row = made.loc[sku]
        assert (row["units_on_hand"], row["stockout_days_28d"]) == (on_hand, without)
        assert (row["units_per_day"], row["cover_days"]) == pytest.approx((pace, cover), nan_ok=True)


def test_cohorts_count_customers_once(published: duckdb.DuckDBPyConnection) -> None:
    lines = _frame(published, "fct_order_lines").query("units > 0").dropna(subset=["customer_id"])
    lines["month"] = lines["ordered_on"].dt.to_period("M")
    lines["cohort"] = lines.groupby("customer_id")["month"].transform("min")
    active = lines.groupby(["cohort", "month"])["customer_id"].nunique()
    size = lines.groupby("cohort")["customer_id"].nunique()
    made = _frame(published, "mart_customer_cohorts")
    assert len(made) == len(active) == 10
    for row in made.itertuples():
        cohort = row.cohort_starts_on.to_period("M")
        assert row.active_customer_count == active[cohort, row.month_starts_on.to_period("M")]
        assert row.customer_count == size[cohort]
        assert row.months_since_first == (row.month_starts_on.to_period("M") - cohort).n


def test_rfm_scores_rank_customers(published: duckdb.DuckDBPyConnection) -> None:
    made = _frame(published, "mart_customer_rfm")
    revenue = made["store_net_revenue_amount"]
    for value, score in ((-made["recency_days"], "recency"), (made["order_count"], "frequency"), (revenue, "monetary")):
        below = value.rank(method="min") - 1
        expected = (1 + (5 * below / (len(made) - 1)).clip(upper=4)).astype(int)
        assert (made[f"{score}_score"] == expected).all()
    assert made["segment"].nunique() > 3


def test_sales_are_the_lines_by_day_and_category(published: duckdb.DuckDBPyConnection) -> None:
    lines = _frame(published, "fct_order_lines")
    products = _frame(published, "dim_product").set_index("product_key")["category_1"]
    lines["category_1"] = lines["product_key"].map(products)
    keys = ["ordered_on", "category_1", "channel"]
    expected = lines.groupby(keys)[["units", "net_revenue_amount", "margin_amount"]].sum()
    made = _frame(published, "mart_sales_daily").rename(columns={"sold_on": "ordered_on"}).set_index(keys).sort_index()
    assert len(made) == len(expected) > 200
    for name in expected:
        assert (made[name] - expected[name]).abs().max() < 0.005


def test_delivery_counts_what_can_be_judged(published: duckdb.DuckDBPyConnection) -> None:
    parcels = _frame(published, "fct_shipments")
    late = parcels["delivered_on"] > parcels["promised_on"]
    overdue = parcels["delivered_on"].isna() & (parcels["promised_on"] < AS_OF)
    judged = parcels["delivered_on"].notna() | overdue
    made = _frame(published, "mart_delivery")
    assert made["parcel_count"].sum() == len(parcels)
    assert made["late_count"].sum() == (late | overdue).sum() > 0
    assert made["judged_count"].sum() == judged.sum() < len(parcels)
    by_carrier = made.groupby("carrier")["late_count"].sum() / made.groupby("carrier")["judged_count"].sum()
    assert by_carrier["Parcelwise"] > by_carrier["Swift"]


def test_money_in_a_second_currency_is_named_and_with_a_rate_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    options = ("--scale", "0.02", "--days", "20", "--currencies", "2", "--first-day", "2025-01-01")
    assert nightshift(home, "simulate", *options).returncode == 0
    assert nightshift(home, "ingest").returncode == 0
    raw = duckdb.sql(
        f"""
        select currency, sum(lines.quantity * lines.unit_price)::decimal(18, 2) as gross, count(*) as lines
        from (select distinct on (order_line_id) * from '{home}/raw/order_lines/*/data.parquet') as lines
        join (select distinct on (order_id) * from '{home}/raw/orders/*/data.parquet') as orders using (order_id)
        group by 1"""
    ).fetchall()
    assert {currency for currency, _, _ in raw} == {"GBP", "EUR"}
    (euro_lines,) = [lines for currency, _, lines in raw if currency == "EUR"]
    assert euro_lines > 10

    # A project of its own, whose seed may be filled.
    project = tmp_path / "dbt_project"
    shutil.copytree(warehouse.PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(warehouse, "PROJECT", project)
    settings = Settings.load(home=home)
    day = pd.Timestamp("2025-01-20").date()
    said: list[str] = []
    nights.build(settings, day, "test", said.append)
    (warning,) = [line for line in said if line.startswith("no exchange rate: ")]
    assert f"{euro_lines} order lines of 2025-01-" in warning
    assert " EUR net" in warning
    assert _gross(home) == {currency: gross for currency, gross, _ in raw}
    before = _currencies(home)
    assert before.loc["EUR", "unconverted_amount"] == before.loc["EUR", "net_revenue_amount"] > 0
    assert pd.isna(before.loc["EUR", "store_net_revenue_amount"])

    (project / "seeds" / "exchange_rates.csv").write_text(
        "currency,valid_from,rate\nEUR,2024-06-01,0.85\nEUR,2025-01-11,0.8\n"
    )
    said.clear()
    nights.build(settings, day, "test", said.append)
    assert not [line for line in said if line.startswith("no exchange rate: ")]
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        lines = connection.sql(
            "select ordered_on, net_revenue_amount from marts.fct_order_lines where currency = 'EUR'"
        ).fetchall()
        sales = connection.sql(
            "select sum(store_net_revenue_amount) from marts.mart_sales_daily where currency = 'EUR'"
        ).fetchall()
        products = connection.sql(
            "select sum(store_net_revenue_amount), sum(unconverted_line_count) from marts.fct_product_sales_daily"
        ).fetchall()
    rates = [(net, Decimal("0.85") if str(on) < "2025-01-11" else Decimal("0.8")) for on, net in lines]
    expected = sum(((net * rate).quantize(Decimal("0.01"), ROUND_HALF_UP) for net, rate in rates), Decimal(0))
    assert sales == [(expected,)]
    after = _currencies(home)
    assert (after["net_revenue_amount"] == before["net_revenue_amount"]).all()
    assert products == [(expected + after.loc["GBP", "net_revenue_amount"], 0)]


def _currencies(home: Path) -> pd.DataFrame:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.sql("from marts.mart_currencies")
        frame = pd.DataFrame(rows.fetchall(), columns=rows.columns)
    return frame.set_index("currency").sort_index()


def _gross(home: Path) -> dict[str, Decimal]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return dict(connection.sql("select currency, sum(gross_amount) from marts.fct_orders group by 1").fetchall())
