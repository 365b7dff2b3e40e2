"""Trees on lines whose window has closed: grown on the older ones, stopped and calibrated on newer ones.

Between the two lies a gap of a window's length, so that when the newer lines were ordered every outcome the trees have
seen was known. What was sent back since reaches the model through the histories that its features count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.calibration import Calibration, choose, log_loss
from models.description import TooLittleDataError
from models.returns.features import FEATURES, MONOTONE, Inputs, matrix
from models.returns.lines import CATEGORIES, Lines
from models.returns.rates import Rates, fit_rates
from models.returns.regression import Regression, fit_regression
from models.returns.rows import Rows, at_drawn_age, at_order, joined
from models.trees import Trees, grow_trees

Floats = NDArray[np.float64]
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    # Of rare returns a leaf needs many lines, of frequent ones few: about 20 of a middling chance.
    "min_sum_hessian_in_leaf": 20.0,
    "feature_fraction": 0.4,
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
FEWEST_RETURNED = 200
_SHARES = (0.75, 0.5, 0.25)


@dataclass(frozen=True)
class Split:
    """Chosen lines: to grow on, and newer ones to stop and calibrate on."""

    older: NDArray[np.bool_]
    newer: NDArray[np.bool_]


def split(lines: Lines, as_of: int, window_days: int) -> Split:
    """Mature lines as of a day; the newer ones are those of the last window's length, a window after the older ones.

    Raises `TooLittleDataError` when either part has too few returned lines to learn from.
    """
    is_mature = lines.is_sold & (lines.day <= as_of - window_days)
    since = as_of - 2 * window_days + 1
    parts = Split(is_mature & (lines.day < since - window_days), is_mature & (lines.day >= since))
    for which in (parts.older, parts.newer):
        returned = int(at_order(lines, which, window_days).happened().sum())
        if returned < FEWEST_RETURNED:
            raise TooLittleDataError(f"{returned} returned lines to learn from, {FEWEST_RETURNED} are needed")
    return parts


def rates_of(lines: Lines, which: NDArray[np.bool_], window_days: int) -> Rates:
    """Rates learned from lines whose window has closed."""
    back, rows = lines.returns, at_order(lines, which, window_days)
    of_these = which[back.line] & (back.requested <= lines.day[back.line] + window_days)
    delays = back.known[of_these] - lines.day[back.line[of_these]]
    return fit_rates(np.clip(delays, 0, window_days), window_days, rows.column, rows.happened())


def training_rows(lines: Lines, which: NDArray[np.bool_], window_days: int, seed: int) -> Rows:
    """Each line at its order and once more at a drawn age."""
    return joined(at_order(lines, which, window_days), at_drawn_age(lines, which, window_days, seed))


@dataclass(frozen=True)
class Grown:
    """Trees and a regression whose log-odds are mixed, `share` of the trees', and then calibrated."""

    trees: Trees
    regression: Regression
    share: float
    calibration: Calibration


def grow(
    older: Rows, newer: Rows, rates: Rates, seed: int, parameters: Mapping[str, Any] = MappingProxyType(PARAMETERS)
) -> Grown:
    """Grow trees until the newer rows are foretold no better; on those choose their share, and calibrate.

    Trees alone are worse than a regression where few lines come back, a regression alone where many do.
    """
    inputs, happened, later_happened = Inputs.of_rows(older), older.happened(), newer.happened()
    categories = inputs.categories(CATEGORIES)
    made, later = matrix(inputs, rates, categories), matrix(Inputs.of_rows(newer), rates, categories)
    regression = fit_regression(made, happened, seed)
    trees = grow_trees(
        (made, happened), (later, later_happened), FEATURES, categories, {**parameters, "seed": seed}, MONOTONE
    )
    odds = [model.log_odds(later) for model in (trees, regression)]
    mixed = {share: expit(share * odds[0] + (1 - share) * odds[1]) for share in _SHARES}
    share = min(_SHARES, key=lambda share: float(log_loss(mixed[share], later_happened).mean()))
    return Grown(trees, regression, share, choose(mixed[share], later_happened, newer.week))
