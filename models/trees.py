"""Trees of LightGBM: grown until newer rows are foretold no better, kept as text, and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
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
        """The part of the text that predicts, without the parameters that follow it."""
        return self.text.partition(_END_OF_TREES)[0]

    def log_odds(self, made: Matrix) -> Floats:
        return np.asarray(self.booster.predict(made, raw_score=True, num_threads=1), np.float64)

    def contributions(self, made: Matrix) -> Floats:
        """What each feature adds to the log-odds of each row (Lundberg et al. 2020, From local explanations to global
        understanding with explainable AI for trees), shape (rows, features)."""
        return np.asarray(self.booster.predict(made, pred_contrib=True, num_threads=1), np.float64)[:, :-1]


def grow_trees(
    older: tuple[Matrix, Floats],
    newer: tuple[Matrix, Floats] | None,
    features: Sequence[str],
    categories: Mapping[str, tuple[str, ...]],
    parameters: Mapping[str, Any],
    monotone: Mapping[str, int],
    weights: Floats | None = None,
) -> Trees:
    """Grow on the older rows and their outcomes until the newer are foretold no better; without newer, all rounds.

    `parameters` are LightGBM's, with `rounds` at most and `patience` rounds without gain; `monotone` holds 1 or -1 of
    features of which more never means less, or never more; `weights` say what the older rows count for.
    """
    chosen = dict(parameters)
    rounds, patience = int(chosen.pop("rounds")), int(chosen.pop("patience"))
    data = lgb.Dataset(*older, weight=weights, feature_name=list(features), categorical_feature=list(categories))
    booster = lgb.train(
        {**chosen, "monotone_constraints": [monotone.get(name, 0) for name in features]},
        data,
        num_boost_round=rounds,
        valid_sets=[data.create_valid(*newer)] if newer else [],
        callbacks=[lgb.early_stopping(patience, verbose=False)] if newer else [],
    )
    # Without newer rows the best round is 0, which stands for all.
    return Trees(booster.model_to_string(num_iteration=booster.best_iteration), categories)
