"""CPU and memory of the demand model beside mlforecast with a mean and three quantile models.

    .venv/bin/pytest --campaigns tests/benchmarks/test_demand_speed.py

Each runs in a process of its own, from the feature table on: ours reads it, learns twice (the spread comes from the
window before), and scores 28 days with totals and orders; mlforecast fits its four models once and predicts 28 days.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from demand_home import FIRST, calendar_of, day, features_of, promotions_of, supply_of

DAYS, HORIZON_DAYS = 730, 28
BEGIN = """
import json, resource, sys, time
from datetime import date
from pathlib import Path
import pandas as pd
folder, last = Path(sys.argv[1]), date.fromisoformat(sys.argv[2])
sys.path[:0] = sys.argv[3:]
"""
OURS = """
from models.demand.question import Question
from models.rolling import Rolling
import lightgbm, scipy.stats, statsmodels.genmod.families
begun = time.process_time()
question = Question(28)
panel = question.read({path.stem: pd.read_parquet(path, dtype_backend="pyarrow") for path in folder.glob("*.parquet")})
with Rolling(question, panel, {"it": question.recipe(7)}, threads=2) as rolling:
    model = rolling.fit("it", last, 28)
question.score(model, panel), question.further(model, panel)
"""
THEIRS = """
import lightgbm, mlforecast
from demand_peers import asked, mlforecast_quantiles
from models.demand.question import Question
question = Question(28)
panel = question.read({path.stem: pd.read_parquet(path, dtype_backend="pyarrow") for path in folder.glob("*.parquet")})
frame = asked(panel, panel.keys.index.to_numpy())
begun = time.process_time()
mlforecast_quantiles(frame)
"""
END = """
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu": time.process_time() - begun, "gigabytes": used.ru_maxrss / 1e6}))
"""


@pytest.mark.campaign
def test_cpu_and_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mlforecast", reason="needs the dependency group benchmark")
    for skus in (1_500, 3_000, 30_000):
        _store(tmp_path / str(skus), skus)
        ours = _spent(tmp_path / str(skus), OURS)
        line = f"{skus:,} SKUs, {DAYS} days: nightshift {ours['cpu']:.0f} CPU s, {ours['gigabytes']:.1f} GB"
        if skus == 3_000:
            theirs = _spent(tmp_path / str(skus), THEIRS)
            share = ours["cpu"] / theirs["cpu"]
            line += f"; mlforecast {theirs['cpu']:.0f} CPU s, {theirs['gigabytes']:.1f} GB: {share:.2f} of it"
        with capsys.disabled():
            print(f"\n{line}")
        assert ours["cpu"] > 0


def _store(folder: Path, skus: int) -> None:
    """Weekly rhythm, most SKUs slow, as a snapshot has it."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    weekly = np.array([1.0, 0.6, 0.6, 0.8, 1.2, 2.0, 1.4])[np.arange(DAYS) % 7]
    frame = features_of(rng.poisson(rng.gamma(0.5, 1, (skus, 1)) * weekly).astype(float))
    number = np.repeat(np.arange(skus), DAYS)
    frame = frame.assign(sku=[f"s{n:06d}" for n in number], category_1=[f"c{n % 12}" for n in number])
    tables = {
        "feat_sku_day": frame,
        "feat_sku_promotion_day": promotions_of([]),
        "feat_calendar_day": calendar_of(FIRST, DAYS + HORIZON_DAYS),
        "feat_sku_supply": supply_of(frame),
    }
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)


def _spent(folder: Path, program: str) -> dict[str, float]:
    here = Path(__file__).parent
    paths = [str(here.parents[1]), str(here.parent), str(here)]
    command = [sys.executable, "-c", BEGIN + program + END, str(folder), str(day(DAYS)), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    spent: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return spent
