"""Whole nights by the command line: repeated, of an earlier day, and read while they run."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from shop import LAST_DAY, nightshift, simulated_home

EARLIER = LAST_DAY - timedelta(days=10)


@pytest.fixture(scope="module")
def copied_home(night_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, since even a step that is refused leaves its attempt in the ledger."""
    return Path(shutil.copytree(night_home, tmp_path_factory.mktemp("refused") / "home", symlinks=True))


def _export(home: Path, day: object = LAST_DAY) -> tuple[dict[str, object], Path]:
    folder = home / "exports" / "demand_forecast" / "v1" / f"as_of={day}"
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest, folder / manifest["files"][0]["name"]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_contract_of_the_table_that_dbt_builds_is_the_one_recorded(night_home: Path) -> None:
    recorded = Path(__file__).parents[2] / "docs" / "contracts" / "demand_forecast_v1.json"
    assert (night_home / "exports" / "demand_forecast" / "v1" / "schema.json").read_bytes() == recorded.read_bytes()
    done = nightshift(night_home, "export", "--verify", str(night_home / "exports" / "demand_forecast" / "v1"))
    assert done.stdout.startswith(f"demand_forecast v1 as of {LAST_DAY}: right, ")


def test_the_export_is_what_its_manifest_says(night_home: Path) -> None:
    manifest, data = _export(night_home)
    assert hashlib.sha256(data.read_bytes()).hexdigest() == manifest["files"][0]["sha256"]  # type: ignore[index]
    rows = duckdb.sql(f"from read_parquet('{data}')").df()
    skus = pd.read_parquet(night_home / "truth" / "sku.parquet")["sku"]
    assert manifest["row_count"] == len(rows) == len(set(rows["sku"])) * 28
    assert set(rows["sku"]) <= set(skus)
    days = pd.to_datetime(rows["forecast_date"])
    assert (days.min(), days.max()) == (
        pd.Timestamp(LAST_DAY + timedelta(days=1)),
        pd.Timestamp(LAST_DAY + timedelta(days=28)),
    )
    assert ((days - pd.Timestamp(LAST_DAY)).dt.days == rows["horizon_days"]).all()
    assert (rows["units_p10"] <= rows["units_p50"]).all()
    assert (rows["units_p50"] <= rows["units_p90"]).all()
    assert rows.groupby(["sku", "location_id", "forecast_date"]).size().max() == 1


def test_published_sales_are_the_truth(night_home: Path) -> None:
    truth = pd.read_parquet(night_home / "truth" / "sku_day.parquet")
    with duckdb.connect(str(night_home / "published" / "warehouse.duckdb"), read_only=True) as connection:
        ordered = connection.sql("select sum(units_ordered)::int from marts.fct_product_sales_daily").fetchall()
        as_of = connection.sql("select value from meta where name = 'as_of'").fetchall()
        comment = connection.sql("select comment from duckdb_tables() where table_name = 'fct_orders'").fetchall()
    assert ordered == [(int(truth["sold_units"].sum()),)]
    assert as_of == [(str(LAST_DAY),)]
    assert comment[0][0].startswith("One row is")


def test_the_checks_of_the_night_are_pages_beside_the_warehouse(night_home: Path) -> None:
    index = (night_home / "published" / "data_docs" / "index.html").read_text()
    assert f"the demand predictions as of {LAST_DAY}" in index
    # Forty SKUs have too few rows and clicks a day for their deliveries to be judged.
    assert ">events of" not in index


def test_a_home_holds_nothing_that_others_may_read(night_home: Path) -> None:
    open_to_others = [path for path in night_home.rglob("*") if path.stat().st_mode & 0o077 and not path.is_symlink()]
    assert open_to_others == []


def test_a_repeated_night_changes_no_export_and_a_reader_keeps_its_file(night_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(night_home, home, symlinks=True)
    before = _files(home / "exports")
    published = home / "published" / "warehouse.duckdb"
    with duckdb.connect(str(published), read_only=True) as reader:
        count = reader.sql("select count(*) from marts.fct_orders").fetchall()
        (home / "ledger" / "publishes").rename(home / "ledger" / "publishes-forgotten")
        inode = published.stat().st_ino
        assert nightshift(home, "run", "--train").returncode == 0
        assert published.stat().st_ino != inode, "a new file was swapped in"
        assert reader.sql("select count(*) from marts.fct_orders").fetchall() == count
    assert _files(home / "exports") == before
    status = nightshift(home, "status")
    assert "failed" not in status.stdout


def test_an_earlier_day_run_afterwards_gives_what_it_would_have_given_then(night_home: Path, tmp_path: Path) -> None:
    then = simulated_home(tmp_path / "then")
    # The inputs' hash, and so run_id, covers the hashed e-mail addresses: both homes need one key.
    shutil.copy(night_home / "pii.key", then / "pii.key")
    assert nightshift(then, "run", "--as-of", str(EARLIER)).returncode == 0

    now = tmp_path / "now"
    shutil.copytree(night_home, now, symlinks=True)
    # Without a champion both score with the baseline, so that only the data can differ.
    shutil.rmtree(now / "mlflow")
    (now / "mlflow").mkdir()
    newest = _files(now / "exports")
    published = (now / "published" / "warehouse.duckdb").read_bytes()
    assert nightshift(now, "run", "--as-of", str(EARLIER)).returncode == 0

    assert _export(now, EARLIER)[1].read_bytes() == _export(then, EARLIER)[1].read_bytes()
    manifests = [_export(home, EARLIER)[0] for home in (now, then)]
    assert manifests[0] == manifests[1]
    # The earlier day is published by its date.
    asked = nightshift(now, "sql", "select value from meta where name = 'as_of'", "--as-of", str(EARLIER), "--csv")
    assert asked.stdout == f"value\n{EARLIER}\n"
    # The newer night stays what analysts and ops systems see, and nothing temporary is left.
    assert (now / "published" / "warehouse.duckdb").read_bytes() == published
    assert {name: content for name, content in _files(now / "exports").items() if str(EARLIER) not in name} == newest
    assert list(now.glob("warehouse.2*")) == []


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("run", "--as-of", "yesterday"), 2, "is no day; write it as YYYY-MM-DD"),
        (("build", "--as-of", "2020-01-01"), 1, "nothing is loaded up to 2020-01-01; run: nightshift ingest"),
        (("train", "--as-of", "2020-01-01"), 1, "no snapshot as of 2020-01-01; run: nightshift build"),
        (("export", "--as-of", "2020-01-01"), 1, "the warehouse is not built for 2020-01-01; run: nightshift build"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    copied_home: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    done = nightshift(copied_home, *arguments)
    assert done.returncode == status
    assert message in done.stderr.splitlines()[-1]
