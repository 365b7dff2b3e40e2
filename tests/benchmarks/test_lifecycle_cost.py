"""CPU of a model's life, a training and a night's scoring, and what of it is neither fit nor predict.

The home has had a training before: making MLflow's database happens once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demand_home import day, features_of, snapshot

from pipelines.home import Home

# In a process of its own, as a command is: imports of what the model itself needs are not the life's, MLflow's are.
PROGRAM = """
import json, sys, threading, time
from datetime import date
from pathlib import Path

import lightgbm, numpy, pandas, pyarrow, scipy.stats
from models.demand.question import Question
from statsmodels.genmod.families import NegativeBinomial

spent = {}
def timed(name):
    plain = getattr(Question, name)
    def run(*arguments):
        begun = time.thread_time()
        try:
            return plain(*arguments)
        finally:
            spent[name] = spent.get(name, 0.0) + time.thread_time() - begun
    setattr(Question, name, run)
for name in ("read", "cases", "learn", "finish", "judge", "score"):
    timed(name)

begun = time.process_time()
from pipelines.registry import Registry
from pipelines.scoring import score
from pipelines.settings import Settings
from pipelines.training import train

settings = Settings.load(home=Path(sys.argv[1]))
started = time.process_time()
import mlflow.pyfunc, mlflow.models, matplotlib.figure
Registry(settings, "demand").find(training_key="none")
started = time.process_time() - started
as_of, snapshot = date.fromisoformat(sys.argv[2]), sys.argv[3]
train(settings, as_of, snapshot, ["demand"], log=lambda line: None)
score(settings, "demand", as_of, snapshot, "inputs", check=lambda frame: None, log=lambda line: None)
print(json.dumps({"all": time.process_time() - begun, "start": started, "model": spent}))
"""


@pytest.mark.campaign
@pytest.mark.parametrize(("skus", "days"), [(300, 540), (2_000, 540)], ids=["demo", "scale 1"])
def test_training_and_scoring(tmp_path: Path, capsys: pytest.CaptureFixture[str], skus: int, days: int) -> None:
    home = Home.create(tmp_path / "home")
    rng = np.random.default_rng(1)
    weekly = np.array([1.0, 0.6, 0.6, 0.8, 1.2, 2.0, 1.4])[np.arange(days) % 7]
    units = rng.poisson(rng.gamma(0.5, 1, (skus, 1)) * weekly).astype(float)
    _spent(home, units[:10, :60])
    spent = _spent(home, units)
    model = sum(spent["model"].values())
    assert 0 < model < spent["all"]
    with capsys.disabled():
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in spent["model"].items())
        life = spent["all"] - model - spent["start"]
        print(
            f"\n{skus:,} SKUs, {days} days: {spent['all']:.1f} CPU s; the model {model:.1f} ({parts}); its life adds "
            f"{life:.1f}, {life / model:.1%}, and to start MLflow and matplotlib in the process {spent['start']:.1f}"
        )


def _spent(home: Home, units: np.ndarray) -> dict[str, Any]:
    """CPU seconds of training and scoring on these sales, in all and by the model's functions."""
    name = snapshot(home, features_of(units))
    command = [sys.executable, "-c", PROGRAM, str(home.root), str(day(units.shape[1])), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return spent
