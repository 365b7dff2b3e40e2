"""Trees and a regression, tried on lines whose window has closed and then taught by all lines there are.

Tried: learned on older lines and judged on newer ones, which neither has seen; these say when the trees stop, what
share they have, and how what both state is calibrated. Between the two lies a gap of a window's length, so that when
the newer lines were ordered every outcome that was learned from was known. Taught: with as many trees, the same share
and the same calibration, by all mature lines and by what younger ones have shown so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.calibration import IDENTITY, NONE, Calibration, choose, levelled, log_loss
from models.description import TooLittleDataError
from models.returns.features import FEATURES, MONOTONE, Inputs, matrix
from models.returns.lessons import Lessons, closed, of_any_age, thinned
from models.returns.lines import CATEGORIES, Lines
from models.returns.rates import Rates, fit_rates
from models.returns.regression import Regression, fit_regression
from models.returns.rows import Rows, at_order
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
# Of more lines trees need not be tried: what is tried is grown twice.
_MOST_TRIED = 150_000
_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)


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


@dataclass(frozen=True)
class Grown:
    """A regression and beside it trees, whose log-odds are mixed, `share` of the trees', and then calibrated."""

    rates: Rates
    categories: Mapping[str, tuple[str, ...]]
    regression: Regression
    trees: Trees | None = None
    share: float = 0.0
    calibration: Calibration = IDENTITY

    def probability(self, rows: Rows) -> Floats:
        made = matrix(Inputs.of_rows(rows), self.rates, self.categories)
        odds = (1 - self.share) * self.regression.log_odds(made)
        if self.trees and self.share > 0:
            odds += self.share * self.trees.log_odds(made)
        return self.calibration(np.asarray(expit(odds), np.float64))


def grow(
    known: Lines,
    parts: Split,
    window_days: int,
    seed: int,
    parameters: Mapping[str, Any] | None = MappingProxyType(PARAMETERS),
) -> Grown:
    """Try on the split and learn from all lines known; without `parameters` the regression speaks alone.

    Only the trees and what is mixed with them are taught by lines whose window is open.
    """
    tried = _tried(known, parts, window_days, seed, parameters)
    is_mature = known.is_sold & (known.day <= known.last_day - window_days)
    rates = rates_of(known, is_mature, window_days)
    if parameters is None or tried.trees is None:
        lessons = closed(known, thinned(is_mature, _MOST_TRIED, seed), window_days, seed)
    else:
        lessons = of_any_age(known, known.is_sold, rates, tried.probability, seed)
        parameters = {**parameters, "rounds": tried.trees.booster.num_trees()}
    taught = replace(_learned(lessons, None, rates, seed, parameters), share=tried.share)
    if tried.calibration.kind == NONE:
        return taught
    newest = closed(known, thinned(parts.newer, _MOST_TRIED, seed), window_days, seed)
    return replace(taught, calibration=levelled(tried.calibration, taught.probability(newest.rows), newest.happened))


def _tried(known: Lines, parts: Split, window_days: int, seed: int, parameters: Mapping[str, Any] | None) -> Grown:
    """Learned on the older lines; trees alone are worse than a regression where few lines come back, a regression alone
    where many do."""
    rates = rates_of(known, parts.older, window_days)
    older, newer = (
        closed(known, thinned(which, _MOST_TRIED, seed), window_days, seed) for which in (parts.older, parts.newer)
    )
    learned = _learned(older, newer, rates, seed, parameters)
    later = matrix(Inputs.of_rows(newer.rows), rates, learned.categories)
    plain = learned.regression.log_odds(later)
    odds = learned.trees.log_odds(later) if learned.trees else plain
    mixed = {share: expit(share * odds + (1 - share) * plain) for share in (_SHARES if learned.trees else (0.0,))}
    share = min(mixed, key=lambda share: float(log_loss(mixed[share], newer.happened).mean()))
    return replace(learned, share=share, calibration=choose(mixed[share], newer.happened, newer.rows.week))


def _learned(
    lessons: Lessons, newer: Lessons | None, rates: Rates, seed: int, parameters: Mapping[str, Any] | None
) -> Grown:
    """Regression and, with `parameters`, trees, which stop when newer lines are foretold no better."""
    inputs = Inputs.of_rows(lessons.rows)
    categories = inputs.categories(CATEGORIES)
    made = matrix(inputs, rates, categories)
    regression = fit_regression(made, lessons.happened, lessons.weight, seed)
    if parameters is None:
        return Grown(rates, categories, regression)
    later = (matrix(Inputs.of_rows(newer.rows), rates, categories), newer.happened) if newer else None
    settings = {**parameters, "seed": seed}
    trees = grow_trees(
        (made, lessons.happened), later, FEATURES, categories, settings, MONOTONE, weights=lessons.weight
    )
    return Grown(rates, categories, regression, trees)
