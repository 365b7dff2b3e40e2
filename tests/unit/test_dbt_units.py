"""dbt's own unit tests, which a night leaves out: they judge the SQL, not the night's data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from shop import LAST_DAY

from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.sources import load_sources
from pipelines.warehouse import Warehouse


def test_every_unit_test_of_the_dbt_project_passes(night_home: Path, tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    # dbt reads the columns of a unit test's inputs from the tables of a built warehouse.
    for name in ("warehouse.duckdb", "warehouse.json"):
        shutil.copy(night_home / name, home.root / name)
    shutil.copytree(night_home / "raw", home.raw, dirs_exist_ok=True)
    store = load_sources(night_home / "sources.yml").store
    warehouse = Warehouse(home, Settings.load(home=home.root), store, LAST_DAY)
    warehouse.dbt(["test", "--select", "test_type:unit"], list(FEEDS), {})
    results = json.loads((home.root / "dbt" / "target" / "run_results.json").read_text())["results"]
    # What runs before the models is among the results.
    results = [result for result in results if result["unique_id"].startswith("unit_test.")]
    assert {result["status"] for result in results} == {"pass"}
    written = len(json.loads((home.root / "dbt" / "target" / "manifest.json").read_text())["unit_tests"])
    assert len(results) == written > 0
