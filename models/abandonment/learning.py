"""Trees and a regression on decisions whose horizon has passed: grown on older ones, stopped and calibrated on newer.

Between the two lies a gap of a horizon, so that when the newer decisions were taken every outcome the trees have seen
was known. What is put in the cart and what is left behind are learned apart: the one is bought in the same visit or
not, the other by a later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.abandonment.carts import ADDED, CATEGORIES, Booleans, Carts, Floats
from models.abandonment.features import FEATURES, MONOTONE, Inputs, matrix
from models.abandonment.regression import Regression, fit_regression
from models.calibration import Calibration, choose, log_loss
from models.description import TooLittleDataError
from models.tables import Integers
from models.trees import Trees, grow_trees

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    # What is known of a cart nearly adds up: small trees.
    "num_leaves": 6,
    "min_data_in_leaf": 50,
    # Of rare purchases a leaf needs many carts, of frequent ones few.
    "min_sum_hessian_in_leaf": 20.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "monotone_constraints_method": "intermediate",
    "deterministic": True,
    "force_row_wise": True,
    # Another number of threads grows other trees.
    "num_threads": 1,
    "verbosity": -1,
    "rounds": 500,
    "patience": 30,
}
FEWEST_BOUGHT = 50
STAGES = ("added", "left")
_EVEN, *_OTHERS = (0.5, 1.0, 0.75, 0.25, 0.0)
_NEWEST_DAYS = (28, 56)


@dataclass(frozen=True)
class Split:
    """Chosen decisions: to grow on, and newer ones to stop and calibrate on."""

    older: Booleans
    newer: Booleans


def split(carts: Carts, as_of: int, horizon_days: int) -> Split:
    """Mature decisions as of a day; the newer ones are those of the last fifth, four to eight weeks, a horizon after
    the older ones."""
    last = as_of - horizon_days
    span = last - int(carts.day[0]) if len(carts.day) else 0
    since = last - int(np.clip(span // 5, *_NEWEST_DAYS)) + 1
    is_mature = carts.day <= last
    return Split(is_mature & (carts.day < since - horizon_days), is_mature & (carts.day >= since))


def stage_of(moment: NDArray[np.object_]) -> NDArray[np.object_]:
    """Which of `STAGES` a moment belongs to."""
    return np.where(moment == ADDED, STAGES[0], STAGES[1]).astype(object)


@dataclass(frozen=True)
class Grown:
    """Trees and a regression whose log-odds are mixed, `share` of the trees', and then calibrated."""

    categories: Mapping[str, tuple[str, ...]]
    trees: Trees | None
    regression: Regression
    share: float
    calibration: Calibration

    def probability(self, made: NDArray[np.float32]) -> Floats:
        odds = np.zeros(len(made))
        if self.share < 1:
            odds += (1 - self.share) * self.regression.log_odds(made)
        if self.trees and self.share > 0:
            odds += self.share * self.trees.log_odds(made)
        return self.calibration(np.asarray(expit(odds), np.float64))

    def contributions(self, made: NDArray[np.float32]) -> Floats:
        """What each feature adds to the log-odds before calibration, shape (rows, features)."""
        moved = np.zeros((len(made), len(FEATURES)))
        if self.share < 1:
            moved += (1 - self.share) * self.regression.contributions(made)
        if self.trees and self.share > 0:
            moved += self.share * self.trees.contributions(made)
        return moved


def grow(
    carts: Carts,
    parts: Split,
    stage: str,
    horizon_days: int,
    seed: int,
    parameters: Mapping[str, Any] | None = MappingProxyType(PARAMETERS),
) -> Grown:
    """Learn a stage: trees until the newer rows are foretold no better, beside them a regression, then their share.

    Without `parameters` the regression speaks alone. Raises `TooLittleDataError` when a part has too few purchases.
    """
    is_stage, happened = stage_of(carts.moment) == stage, carts.happened(horizon_days)
    older, newer = (carts.unwritten(which & is_stage) for which in (parts.older, parts.newer))
    _enough(stage, happened[older], happened[newer])
    categories = Inputs.of_rows(carts, older).categories(CATEGORIES)
    made, later = (matrix(Inputs.of_rows(carts, index), categories) for index in (older, newer))
    week = carts.day[newer] // 7
    regression = fit_regression(made, happened[older], categories, seed)
    if parameters is None:
        stated = expit(regression.log_odds(later))
        return Grown(categories, None, regression, 0.0, choose(stated, happened[newer], week))
    trees = grow_trees(
        (made, happened[older]), (later, happened[newer]), FEATURES, categories, {**parameters, "seed": seed}, MONOTONE
    )
    odds = [model.log_odds(later) for model in (trees, regression)]
    mixed = {share: expit(share * odds[0] + (1 - share) * odds[1]) for share in (_EVEN, *_OTHERS)}
    share = _share(mixed, happened[newer], week)
    return Grown(categories, trees, regression, share, choose(mixed[share], happened[newer], week))


def _share(mixed: Mapping[float, Floats], happened: Floats, week: Integers) -> float:
    """The even share, since two accounts of the same carts err apart, unless another is better by more than the
    standard error over weeks."""
    losses = {share: log_loss(stated, happened) for share, stated in mixed.items()}
    best = min(losses, key=lambda share: float(losses[share].mean()))
    gain = losses[_EVEN] - losses[best]
    of_weeks = np.bincount(np.unique(week, return_inverse=True)[1], gain - gain.mean())
    return best if gain.sum() > np.sqrt((of_weeks**2).sum()) else _EVEN


def _enough(stage: str, *happened: Floats) -> None:
    for outcomes in happened:
        fewest = int(min(outcomes.sum(), (1 - outcomes).sum()))
        if fewest < FEWEST_BOUGHT:
            raise TooLittleDataError(
                f"{fewest} carts bought or not, {stage}, to learn from, {FEWEST_BOUGHT} of each are needed"
            )


def mature(carts: Carts, as_of: int, horizon_days: int) -> Integers:
    """Every decision whose horizon has passed, as it goes without a message."""
    return carts.unwritten(carts.day <= as_of - horizon_days)
