"""`nightshift explain` of a whole night: for each export table, the features, model, rule and code behind a row."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from shop import LAST_DAY

from models.questions import description
from pipelines.cli import cli
from pipelines.exports import EXPORTS
from pipelines.home import Home

ROOT = Path(__file__).parents[2]


def _explained(home: Path, table: str) -> tuple[pd.Series[str], str]:
    """The middle row of an export, and what is said of it."""
    folder = home / "exports" / table / "v1" / f"as_of={LAST_DAY}"
    manifest = json.loads((folder / "manifest.json").read_text())
    frame = pd.read_parquet(folder / manifest["files"][0]["name"])
    row = frame.iloc[len(frame) // 2].astype(str)
    key = [row[name] for name in manifest["key"] if name != "as_of"]
    done = CliRunner().invoke(cli, ["explain", table, *key, "--home", str(home)])
    assert done.exit_code == 0, done.exception
    assert f"snapshot {manifest['snapshot']}" in done.stdout
    assert f"run {manifest['run_id']}" in done.stdout
    assert manifest["files"][0]["sha256"] in done.stdout
    return row, done.stdout


@pytest.mark.parametrize("table", sorted(EXPORTS))
def test_every_table_leads_back_to_features_deliveries_and_code(night_home: Path, table: str) -> None:
    row, said = _explained(night_home, table)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"code commit {commit.stdout.strip() or 'unknown'}, exported" in said
    assert f"orders 120 days to {LAST_DAY}" in said
    assert f"model_version {row['model_version']}" in said
    for name in description(EXPORTS[table].model).tables:
        assert f"  {name}: " in said
    decided = [json.loads(path.read_text()) for path in Home(night_home).decisions.glob("*.json")]
    champions = [event for event in decided if event["model_version"] == row["model_version"]]
    if champions:
        assert f"code commit {commit.stdout.strip() or 'unknown'}, MLflow run {champions[0]['run_id']}" in said
        assert champions[0]["reason"][:60] in said
    else:
        assert "a baseline, learned anew each night" in said


def test_an_order_is_explained_by_its_stock_and_the_reason(night_home: Path) -> None:
    row, said = _explained(night_home, "replenishment")
    (snapshot,) = [line.split()[-1] for line in said.splitlines() if line.startswith("what went in: snapshot")]
    supply = pd.read_parquet(night_home / "snapshots" / snapshot / "feat_sku_supply.parquet").set_index("sku")
    assert f"units_on_hand {supply.loc[row['sku'], 'units_on_hand']}" in " ".join(said.split())
    assert row["reason"] in said


def test_an_action_on_a_line_is_explained_by_its_rule_and_band(night_home: Path) -> None:
    row, said = _explained(night_home, "return_risk")
    with (ROOT / "dbt_project" / "seeds" / "return_actions.csv").open() as file:
        (rule,) = [rule for rule in csv.DictReader(file) if rule["action_rule"] == row["action_rule"]]
    assert f"by seeds/return_actions.csv, as it is now: rule_number {rule['rule_number']}" in said
    assert f"by seeds/return_bands.csv, as it is now: risk_band {row['risk_band']}" in said
    assert "seeds/return_costs.csv" not in said
    assert "feat_order_line: 1 row by order_line_id" in said
    assert f"order_line_id {row['order_line_id']}" in said.split("what went in")[1]
