"""What carts of ten million clicks cost: features, learning and scoring, beside plain LightGBM on a ready matrix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from shop import NIGHTSHIFT

FEEDS = "orders,order_lines,customers,products,inventory,events,cart_messages"
DAYS, LAST = 540, date(2025, 1, 1) + timedelta(days=539)
# In a process of its own, so that its highest memory is its own; plain LightGBM is told how many trees to grow.
MEASURED = """
import json, resource, sys, time
from datetime import date, timedelta
from pathlib import Path
import lightgbm as lgb, numpy as np
from models.abandonment import learning
from models.abandonment.carts import CATEGORIES, COLUMNS
from models.tables import day_number
from models.abandonment.features import FEATURES, MONOTONE, Inputs, matrix
from models.abandonment.question import Question
from pipelines import feature_snapshot

snapshot, as_of = sys.argv[1], date.fromisoformat(sys.argv[2])
question = Question(7)
spent, begun = {}, time.process_time()

def note(what):
    global begun
    spent[what] = time.process_time() - begun
    begun = time.process_time()

history = question.read(
    {n: feature_snapshot.read(Path(snapshot), n) for n in COLUMNS}
)
note("read")
recipe = question.recipe(7)
model = question.complete(recipe, question.learn(recipe, history, as_of), history, as_of)
note("learned")
everything = np.arange(len(history.day))
model.probability(Inputs.of_rows(history, everything))
note("scored")
spent["memory GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
day = day_number(as_of)
parts, happened = learning.split(history, day, 7), history.happened(7)
spent["plain learned"] = spent["plain scored"] = spent["trees"] = 0
for stage in learning.STAGES:
    chosen = learning.stage_of(history.moment) == stage
    older, newer = (history.unwritten(which & chosen) for which in (parts.older, parts.newer))
    categories = Inputs.of_rows(history, older).categories(CATEGORIES)
    made = [matrix(Inputs.of_rows(history, i), categories) for i in (older, newer, np.flatnonzero(chosen))]
    parameters = {**learning.PARAMETERS, "monotone_constraints": [MONOTONE.get(n, 0) for n in FEATURES], "seed": 7}
    rounds, patience = parameters.pop("rounds"), parameters.pop("patience")
    note("made")
    data = lgb.Dataset(made[0], happened[older], categorical_feature=list(CATEGORIES), feature_name=list(FEATURES))
    plain = lgb.train(
        parameters, data, rounds, [data.create_valid(made[1], happened[newer])],
        callbacks=[lgb.early_stopping(patience, verbose=False)],
    )
    spent["plain learned"] += time.process_time() - begun
    begun = time.process_time()
    plain.predict(made[2], num_threads=1)
    spent["plain scored"] += time.process_time() - begun
    spent["trees"] += plain.num_trees()
    begun = time.process_time()
spent["rows"] = len(everything)
print(json.dumps(spent))
"""


def _run(*arguments: object) -> None:
    done = subprocess.run([NIGHTSHIFT, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def measured(home: Path, scale: float) -> dict[str, float]:
    """CPU seconds by step, the seconds that dbt took for the features, rows, and the highest memory in GB."""
    size = ("--scale", scale, "--days", DAYS, "--format", "parquet", "--feeds", FEEDS)
    _run("simulate", "--home", home, *size)
    _run("ingest", "--home", home, "--accept-checks")
    _run("build", "--home", home, "--as-of", LAST)
    results = json.loads((home / "dbt" / "target" / "run_results.json").read_text())["results"]
    features = sum(r["execution_time"] for r in results if r["unique_id"].startswith("model.nightshift.feat_cart"))
    (snapshot,) = (home / "snapshots").glob("*/")
    # As plain LightGBM: a second thread of BLAS that waits for work counts as work.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(snapshot), str(LAST)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return {**found, "features": features}


@pytest.mark.campaign
def test_it_costs_little_more_than_plain_lightgbm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    spent = measured(tmp_path / "home", 1.0)
    ours, plain = spent["learned"] + spent["scored"], spent["plain learned"] + spent["plain scored"]
    with capsys.disabled():
        print(
            f"\n{spent['rows']:,.0f} decisions, {spent['trees']:.0f} trees: features {spent['features']:.0f} s, "
            f"{ours:.0f} CPU seconds to learn and score, {ours / plain:.2f} times plain LightGBM's {plain:.0f} on a "
            f"ready matrix; {spent['memory GB']:.1f} GB; all in all {time.monotonic() - begun:.0f} s"
        )
    assert spent["memory GB"] < 6
    assert ours / plain <= 1.5
