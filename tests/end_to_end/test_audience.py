"""Published for a wider audience, the warehouse names no customer and no visitor, in any column of any table."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from planted_published import publish
from shop import LAST_DAY, nightshift

from pipelines import published
from pipelines.home import Home


def _ids(home: Path) -> set[str]:
    """Every id of a customer or visitor that was ever taken in."""
    columns = [
        ("orders", "customer_id"),
        ("customers", "customer_id"),
        ("events", "customer_id"),
        ("events", "visitor_id"),
        ("events", "session_id"),
    ]
    found: set[str] = set()
    for feed, column in columns:
        rows = duckdb.sql(f"select distinct {column} from read_parquet('{home}/raw/{feed}/*/*.parquet')").fetchall()
        found |= {row[0] for row in rows if row[0] is not None}
    return found


def _named(path: Path, ids: set[str]) -> dict[str, int]:
    """How many of the ids each column of text holds as a value, by column; those that hold none are left out."""
    counts = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        columns = connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() "
            "where not internal and data_type = 'VARCHAR'"
        ).fetchall()
        for schema, table, column in columns:
            values = connection.execute(f'select distinct "{column}" from "{schema}"."{table}"').fetchall()
            if count := len(ids & {value for (value,) in values}):
                counts[f"{table}.{column}"] = count
    return counts


def _tables(path: Path) -> set[str]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}


def test_no_id_of_a_customer_or_visitor_is_left(
    night_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(night_home, home, symlinks=True)
    newest = home / "published" / "warehouse.duckdb"
    ids = _ids(home)
    # What the search finds where nothing is left out: each kind of id, so that finding none says something.
    assert {"dim_customer.customer_id", "fct_sessions.visitor_id", "fct_orders.customer_id"} <= set(_named(newest, ids))
    before = _tables(newest)
    # Days that were published with customers: one kept by its date.
    publish(Home(home), LAST_DAY - timedelta(days=1), "create table t as select 1", is_newest=False)

    monkeypatch.setenv("NIGHTSHIFT_PUBLISH_CUSTOMERS", "false")
    assert nightshift(home, "publish").returncode == 0
    assert _named(newest, ids) == {}
    people = {"dim_customer", "mart_customer_rfm", "mart_returns_customers", "fct_sessions", "fct_carts", "fct_events"}
    people |= {"feat_cart", "feat_cart_purchase", "feat_cart_message"}
    assert _tables(newest) == before - people
    with duckdb.connect(str(newest), read_only=True) as connection:
        assert published.facts(connection)["customers"] == "left out"
        # The orders are there, without who ordered.
        count = connection.execute("select count(*) from marts.fct_orders").fetchone()
        assert count
        assert count[0] > 1_000
    # No older file keeps what the newest leaves out.
    assert published.days(Home(home)) == [LAST_DAY]

    monkeypatch.setenv("NIGHTSHIFT_PUBLISH_CUSTOMERS", "true")
    assert nightshift(home, "publish").returncode == 0
    assert _tables(newest) == before


def test_without_the_marks_nothing_is_published(
    night_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(night_home, home, symlinks=True)
    (home / "dbt" / "target" / "manifest.json").unlink()
    content = (home / "published" / "warehouse.duckdb").read_bytes()
    monkeypatch.setenv("NIGHTSHIFT_PUBLISH_CUSTOMERS", "false")
    done = nightshift(home, "publish")
    assert done.returncode == 1
    assert "what holds customers; run: nightshift build" in done.stderr
    assert (home / "published" / "warehouse.duckdb").read_bytes() == content
