"""What training on a million order lines and scoring them costs, beside plain LightGBM on ready features, and these."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shop import nightshift

# Reasons are what takes longest, line by line alike.
LINES, EXPLAINED = 1_000_000, 50_000
# Each in a process of its own, so that its highest memory is its own; plain LightGBM is told how many trees to grow.
MEASURED = """
import json, resource, sys, time
import lightgbm as lgb, numpy as np
import planted_lines
from models.returns import learning, lessons, rows
from models.returns.features import FEATURES, MONOTONE, Inputs, matrix
from models.returns.lines import CATEGORIES
from models.returns.question import Question

lines, explained, days = int(sys.argv[1]), int(sys.argv[2]), planted_lines.WINDOW_DAYS
question = Question(days)
history = question.read(planted_lines.tables(lines=lines))
parts = learning.split(history, history.last_day, days)
rates = learning.rates_of(history, parts.older, days)
older, newer = (lessons.closed(history, which, days, 7).rows for which in (parts.older, parts.newer))
scored = rows.at_order(history, np.ones(lines, bool), days)
spent, begun = {}, time.process_time()

def note(what):
    global begun
    spent[what] = time.process_time() - begun
    begun = time.process_time()

note("start")
model = question.learn(question.recipe(7), history, planted_lines.LAST)
note("learned")
stated = model.probability(Inputs.of_rows(scored))
note("scored")
model.told(Inputs.of_rows(scored.chosen(np.arange(explained))))
note("explained")
spent["memory GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
made = [matrix(Inputs.of_rows(each), rates, model.categories) for each in (older, newer, scored)]
happened = [each.happened() for each in (older, newer)]
note("features")
parameters = {**learning.PARAMETERS, "monotone_constraints": [MONOTONE.get(name, 0) for name in FEATURES], "seed": 7}
rounds, patience = parameters.pop("rounds"), parameters.pop("patience")
data = lgb.Dataset(made[0], happened[0], categorical_feature=list(CATEGORIES), feature_name=list(FEATURES))
plain = lgb.train(
    parameters, data, rounds, [data.create_valid(made[1], happened[1])],
    callbacks=[lgb.early_stopping(patience, verbose=False)],
)
note("plain learned")
plain.predict(made[2], num_threads=1)
note("plain scored")
plain.predict(made[2][:explained], pred_contrib=True, num_threads=1)
note("plain explained")
spent["rows"], spent["trees"] = len(older) + len(newer), plain.num_trees()
spent["own trees"] = model.trees.booster.num_trees()
print(json.dumps(spent))
"""

# A larger store has the orders, customers and SKUs of the simulated one, several times over.
FEATURES_MADE = """
import json, resource, sys, time
import duckdb

file, sql, lines = sys.argv[1], open(sys.argv[2]).read().replace('"warehouse".', ""), int(sys.argv[3])
connection = duckdb.connect(file)
connection.execute("set threads = 2; set enable_progress_bar = false")
(held,) = connection.sql("select count(*) from marts.fct_order_lines").fetchone()
connection.execute("create table returns as from staging.stg_returns")
sql = sql.replace('"staging"."stg_returns"', "returns")
for table, keys in {
    "marts.fct_order_lines": ("order_line_id", "order_id", "customer_id", "sku", "product_key"),
    "marts.dim_product": ("product_key", "sku", "style_id"),
    "marts.fct_orders": ("order_id",),
    "returns": ("return_id", "order_line_id"),
}.items():
    numbered = ", ".join(f"{key} || '-' || copy as {key}" for key in keys)
    connection.execute(
        f"create or replace table {table} as select * exclude (copy) replace ({numbered}) "
        f"from {table}, range({-(-lines // held)}) as copies (copy)"
    )
connection.execute("checkpoint")
connection.close()
connection = duckdb.connect(file)
connection.execute("set threads = 2; set enable_progress_bar = false")
before = time.process_time()
connection.execute(f"create or replace table features.feat_order_line as {sql}")
(made,) = connection.sql("select count(*) from features.feat_order_line").fetchone()
highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(json.dumps({"lines": made, "CPU": time.process_time() - before, "GB": highest}))
"""


def measured(lines: int) -> dict[str, float]:
    """CPU seconds by step, rows learned from, trees, and the highest memory in GB."""
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": tests, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    return _run(MEASURED, lines, EXPLAINED, environment=environment)


def _run(script: str, *arguments: object, environment: dict[str, str] | None = None) -> dict[str, float]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.campaign
def test_it_costs_little_more_than_plain_lightgbm(capsys: pytest.CaptureFixture[str]) -> None:
    spent = measured(LINES)
    ours = spent["learned"] + spent["scored"]
    plain = spent["plain learned"] + spent["plain scored"]
    with capsys.disabled():
        print(
            f"\n{LINES:,} lines: {ours:.0f} CPU seconds to learn {spent['own trees']:.0f} trees and score, "
            f"{ours / plain:.2f} times plain LightGBM's {plain:.0f} on a ready matrix of {spent['rows']:,.0f} rows "
            f"({spent['trees']:.0f} trees); making such matrices takes {spent['features']:.0f}; {EXPLAINED:,} lines "
            f"explained {spent['explained']:.0f}, by plain contributions {spent['plain explained']:.0f}; "
            f"{spent['memory GB']:.1f} GB"
        )
    assert (ours - spent["features"]) / plain <= 1.5
    assert spent["explained"] / spent["plain explained"] <= 1.5
    assert spent["memory GB"] < 4


@pytest.mark.campaign
def test_features_of_a_million_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    feeds = ("--feeds", "orders,order_lines,returns,customers,shipments,products")
    for command in (
        ("simulate", "--scale", "0.3", "--days", "540", "--seed", "12", "--format", "parquet", *feeds),
        ("ingest", "--accept-checks"),
        ("build", "--as-of", "2026-06-24"),
    ):
        assert nightshift(home, *command).returncode == 0
    sql = home / "dbt" / "target" / "compiled" / "nightshift" / "models" / "features" / "feat_order_line.sql"
    spent = _run(FEATURES_MADE, home / "warehouse.duckdb", sql, LINES)
    with capsys.disabled():
        print(f"\nfeatures of {spent['lines']:,} lines: {spent['CPU']:.0f} CPU seconds, {spent['GB']:.1f} GB")
    assert spent["lines"] >= LINES
    assert spent["GB"] < 4
