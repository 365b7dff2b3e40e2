"""What an experiment shows: the difference it makes, how sure that is, whether it was drawn as said, how long it takes.

Everybody counts in the group that was drawn for them, whatever was done about them (intention to treat). Means weigh
each by the inverse of the chance of their group, so that a share that was changed half-way does no harm. Differences
are made surer by what was known before the draw (Deng, Xu, Kohavi and Walker 2013, Improving the sensitivity of online
controlled experiments by utilizing pre-experiment data): that part of the outcome is taken off in both groups alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
# Below this a split is no chance; many look at their experiments every day.
UNLIKELY = 0.001


@dataclass(frozen=True)
class Comparison:
    """Means of those drawn for treatment and for the holdout, and their difference between its bounds."""

    treatment: Floats
    holdout: Floats
    effect: Floats
    low: Floats
    high: Floats
    error: Floats


def compare(
    outcome: Floats,
    is_treated: Booleans,
    propensity: Floats,
    before: Floats | None = None,
    confidence: float = 0.95,
) -> Comparison:
    """Compare the groups; the last axis is that of the carts, those before it are experiments side by side.

    `before`, shape (..., carts, columns), is what was known of each before the draw. Bounds are Welch's.
    """
    weights = (is_treated / propensity, ~is_treated / (1 - propensity))
    means = [_mean(outcome, weight) for weight in weights]
    adjusted = outcome if before is None else _without(outcome, before, weights)
    shifted, squares, freedom = [], [], []
    for weight in weights:
        mean, total = _mean(adjusted, weight), weight.sum(axis=-1)
        size = total**2 / (weight**2).sum(axis=-1)
        spread = (weight**2 * (adjusted - mean[..., None]) ** 2).sum(axis=-1) / total**2
        shifted.append(mean)
        squares.append(spread * size / np.maximum(size - 1, 1))
        freedom.append(np.maximum(size - 1, 1))
    error = np.sqrt(squares[0] + squares[1])
    of_both = (squares[0] + squares[1]) ** 2 / (squares[0] ** 2 / freedom[0] + squares[1] ** 2 / freedom[1] + 1e-300)
    reach = stats.t.ppf((1 + confidence) / 2, np.maximum(of_both, 1)) * error
    effect = shifted[0] - shifted[1]
    return Comparison(means[0], means[1], effect, effect - reach, effect + reach, error)


def chance_of_split(is_treated: Booleans, propensity: Floats) -> float:
    """How likely a split at least as far from what the propensities say is, if they are true."""
    far = abs(float(is_treated.sum() - propensity.sum()))
    spread = float(np.sqrt((propensity * (1 - propensity)).sum()))
    return float(2 * stats.norm.sf(far / spread)) if spread > 0 else 1.0


def least_effect(error: float, confidence: float = 0.95, power: float = 0.8) -> float:
    """The smallest effect that an experiment of this standard error finds with the power."""
    return float((stats.norm.ppf((1 + confidence) / 2) + stats.norm.ppf(power)) * error)


def days_needed(effect: float, error: float, days: float) -> float:
    """Days in all until an effect of this size is found with a power of 0.8, as carts have come in `days` so far."""
    return np.inf if effect == 0 else float(days * (least_effect(error) / effect) ** 2)


def _mean(values: Floats, weight: Floats) -> Floats:
    return np.asarray((values * weight).sum(axis=-1) / weight.sum(axis=-1), np.float64)


def _without(outcome: Floats, before: Floats, weights: tuple[Floats, Floats]) -> Floats:
    """The outcome less what follows from what was known before: one slope a column, within the groups."""
    centre = before.mean(axis=-2, keepdims=True)
    within, rest = np.zeros_like(before), np.zeros_like(outcome)
    for weight in weights:
        is_here = (weight > 0)[..., None]
        total = np.maximum(weight.sum(axis=-1), 1e-300)[..., None]
        mean_before = (before * weight[..., None]).sum(axis=-2, keepdims=True) / total[..., None]
        within = np.where(is_here, before - mean_before, within)
        rest = np.where(weight > 0, outcome - _mean(outcome, weight)[..., None], rest)
    scale = np.maximum(within.std(axis=-2, keepdims=True), 1e-12)
    within = within / scale
    squares = np.swapaxes(within, -1, -2) @ within
    ridge = 1e-6 * within.shape[-2] * np.eye(within.shape[-1])
    slopes = np.linalg.solve(squares + ridge, np.swapaxes(within, -1, -2) @ rest[..., None])
    return np.asarray(outcome - (((before - centre) / scale) @ slopes)[..., 0], np.float64)
