"""The mean of demand: one gradient-boosted model for all SKUs and all horizons.

The trees learn by what factor demand differs from what the SKU's share and its department's pace expect, so that they
need no splits to tell large SKUs from small ones, and a store of twice the size is the same to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand.features import EXPECTED, NUMERIC, pair_features
from models.demand.panel import CATEGORIES, Panel
from models.description import TooLittleDataError

LEARNED = (*NUMERIC, *CATEGORIES)
# A higher price never sells more, a planned promotion never less.
_DIRECTIONS = {"price_change": -1, "price_in_category": -1, "planned_discount": 1, "is_planned": 1}
# Tweedie suits sums that are mostly zero with a long tail, as the best entries of the M5 competition found.
PARAMETERS: dict[str, Any] = {
    "objective": "tweedie",
    "tweedie_variance_power": 1.6,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "deterministic": True,
    "force_row_wise": True,
    # Another number of threads grows other trees; and two threads on a busy machine mostly wait for each other.
    "num_threads": 1,
    "monotone_constraints": [_DIRECTIONS.get(name, 0) for name in LEARNED],
    "verbosity": -1,
}
ROUNDS = 150
MOST_PAIRS = 300_000
_FEWEST_PAIRS = 1_000
# A year and four weeks: before that, the time of year is nothing but the time.
_SEEN_DAYS = 365 + 28
_END_OF_TREES = "end of trees"


@dataclass(frozen=True)
class Trees:
    """A fitted model: LightGBM's text, and the values its category codes stand for."""

    text: str
    categories: Mapping[str, tuple[str, ...]]

    @cached_property
    def booster(self) -> lgb.Booster:
        return lgb.Booster(model_str=self.text)

    @property
    def grown(self) -> str:
        """The part of the text that predicts, without the parameters (threads, paths) that follow it."""
        return self.text.partition(_END_OF_TREES)[0]

    def predict(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Mean units a day for each row of `pair_features`."""
        factor = self.booster.predict(_matrix(features, self.categories), num_threads=1)
        return np.asarray(factor * features[EXPECTED].to_numpy(np.float64), np.float64)


def fit_trees(
    panel: Panel,
    horizon_days: int,
    seed: int,
    parameters: Mapping[str, Any] = MappingProxyType(PARAMETERS),
    rounds: int = ROUNDS,
) -> Trees:
    """Fit on pairs sampled from every observed day of `panel`; same panel, seed and parameters, same trees."""
    origins, horizons, targets = sample_pairs(panel, horizon_days, seed)
    if len(targets) < _FEWEST_PAIRS:
        raise TooLittleDataError(f"{len(targets)} observed days to learn from, {_FEWEST_PAIRS} are needed")
    features = pair_features(panel, origins, horizons)
    # Of a SKU that is no longer sold a rule speaks: its zeros would lower the forecasts of all others.
    is_learned = (features["is_ended"] == 0).to_numpy()
    features, targets = features[is_learned], targets[is_learned]
    categories = {name: tuple(sorted(features[name].dropna().unique())) for name in CATEGORIES}
    if panel.history.days < _SEEN_DAYS:
        # The days that are asked for are none of those learned from: the newest days' chance would stand for them.
        features["target_day_of_year"] = np.nan
    data = lgb.Dataset(
        _matrix(features, categories),
        panel.units[targets] / panel.stocked_share[targets],
        weight=panel.stocked_share[targets],
        init_score=np.log(features[EXPECTED].to_numpy(np.float64)),
        feature_name=list(LEARNED),
        categorical_feature=list(CATEGORIES),
    )
    booster = lgb.train({**parameters, "seed": seed}, data, num_boost_round=rounds)
    return Trees(booster.model_to_string(), categories)


def sample_pairs(
    panel: Panel, horizon_days: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Origin rows, horizons and target rows to train on: one drawn horizon an observed day.

    A horizon is drawn only as far back as the series goes. Above `MOST_PAIRS` an even sample is taken.
    """
    draw = np.random.default_rng(seed)
    targets = np.flatnonzero(panel.is_observed & (panel.position > 0))
    if len(targets) > MOST_PAIRS:
        targets = np.sort(draw.choice(targets, MOST_PAIRS, replace=False))
    horizons = draw.integers(1, np.minimum(horizon_days, panel.position[targets]) + 1)
    return targets - horizons, horizons, targets


def _matrix(features: pd.DataFrame, categories: Mapping[str, tuple[str, ...]]) -> NDArray[np.float64]:
    matrix = np.empty((len(features), len(LEARNED)))
    for number, name in enumerate(LEARNED):
        if name in categories:
            codes = pd.Categorical(features[name], categories=list(categories[name])).codes
            matrix[:, number] = np.where(codes < 0, np.nan, codes)
        else:
            matrix[:, number] = features[name].to_numpy(np.float64)
    return matrix
