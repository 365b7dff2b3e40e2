"""Where the model leans on the moving average, and that it says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from demand_home import FIRST, features_of

from models.demand.dispersion import UNKNOWN
from models.demand.features import pair_features
from models.demand.mixing import weights
from models.demand.model import LIGHTGBM, DemandModel
from models.demand.panel import Panel
from models.demand.question import Question
from models.demand.trees import Trees
from models.splits import ClosedWindow

SKUS, DAYS, HORIZON_DAYS = 60, 150, 28
ORIGIN = FIRST + timedelta(days=DAYS - HORIZON_DAYS - 1)
_RATES = np.repeat([0.04, 0.5, 4.0], 20)


class _OneUnit(Trees):
    """Says one unit of all days."""

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        return np.ones(len(features))


def _panel() -> Panel:
    rng = np.random.default_rng(9)
    return Panel.from_frame(features_of(rng.poisson(_RATES[:, None], (SKUS, DAYS)).astype(float)))


def test_each_volume_class_has_the_weight_that_was_best_on_a_closed_window() -> None:
    cases = Question(HORIZON_DAYS).cases(_panel(), ClosedWindow(ORIGIN, HORIZON_DAYS))
    rate = _RATES[cases.series]
    # Too much by half the rate for fast SKUs: with an average too low by as much, the two together are right.
    learned = np.where(rate > 1, 1.5 * rate, rate)
    average = np.where(rate > 1, 0.5 * rate, 2 * rate)
    found = weights(cases, learned, average)
    assert found == {"fast": 0.5}
    # Where the learned forecast is right nothing is added, and where it is wrong by class only that class leans.
    assert weights(cases, rate, average) == {}
    wrong = np.where((rate > 0.1) & (rate < 1), 2 * rate, rate)
    assert weights(cases, wrong, rate) == {"middle": 0.5}
    # A slow SKU, one of at most 0.1 units a day, never leans.
    is_slow = (cases.features["mean_28d"] <= 0.1).to_numpy()
    assert weights(cases, np.where(is_slow, 5.0, rate), rate) == {}


def test_a_mixed_forecast_says_so_and_survives_its_files() -> None:
    panel = _panel()
    last = np.flatnonzero(panel.day == panel.day.max())
    features = pair_features(panel, last, np.ones(SKUS, np.int64))
    model = DemandModel(LIGHTGBM, UNKNOWN, _OneUnit("", {}), average_weights={"fast": 0.25})
    mean = model.mean(features)
    is_fast = (features["mean_28d"] > 1).to_numpy()
    # A quarter of the average beside three quarters of what the trees say.
    assert mean[is_fast] == pytest.approx(0.75 + 0.25 * features["mean_28d"][is_fast].to_numpy())
    assert is_fast.sum() == 20
    assert set(model.methods(features, mean)[is_fast]) == {"lightgbm_and_moving_average"}
    assert not set(model.methods(features, mean)[~is_fast]) & {"lightgbm_and_moving_average"}
    read = DemandModel.from_files(model.files())
    assert read.average_weights == {"fast": 0.25}
    assert read.version == model.version != replace(model, average_weights={}).version
