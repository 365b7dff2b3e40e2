"""From a score to a probability that comes true: learned on outcomes that the score's maker has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Floats = NDArray[np.float64]

NONE, SHIFT, LOGISTIC, ISOTONIC = "none", "shift", "logistic", "isotonic"
_TINY = 1e-6
_STEPS = 200
_FEWEST = 2_000


@dataclass(frozen=True)
class Calibration:
    """A map of probabilities that never turns their order round.

    `at` and `to` are its nodes on the log-odds scale, in order; linear between and beyond.
    """

    kind: str
    at: tuple[float, ...]
    to: tuple[float, ...]

    def __call__(self, probability: Floats) -> Floats:
        odds = _log_odds(probability)
        moved = np.interp(odds, self.at, self.to)
        low, high = odds < self.at[0], odds > self.at[-1]
        moved[low] = self.to[0] + (odds[low] - self.at[0]) * _slope(self.at[:2], self.to[:2])
        moved[high] = self.to[-1] + (odds[high] - self.at[-1]) * _slope(self.at[-2:], self.to[-2:])
        return np.asarray(1 / (1 + np.exp(-moved)), np.float64)


IDENTITY = Calibration(NONE, (-20.0, 20.0), (-20.0, 20.0))


def choose(probability: Floats, happened: Floats, group: NDArray[np.int64]) -> Calibration:
    """The kind that states the outcomes of groups left out best, learned on all of them.

    `group` numbers spans of time from 0; with fewer than two, or few outcomes, nothing is changed. A richer kind is
    taken only where it is better by more than the standard error over groups.
    """
    groups = np.unique(group)
    if len(groups) < 2 or min(happened.sum(), (1 - happened).sum()) < 50:
        return IDENTITY
    kinds = (NONE, SHIFT, LOGISTIC, *((ISOTONIC,) if len(happened) >= _FEWEST else ()))
    losses = {kind: _losses_left_out(kind, probability, happened, group) for kind in kinds}
    best = NONE
    for kind in kinds[1:]:
        gain = losses[best] - losses[kind]
        if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
            best = kind
    return fit(best, probability, happened)


def _losses_left_out(kind: str, probability: Floats, happened: Floats, group: NDArray[np.int64]) -> Floats:
    """The mean loss on each group when the kind was learned on all others."""
    losses = []
    for left_out in np.unique(group):
        here = group == left_out
        stated = fit(kind, probability[~here], happened[~here])(probability[here])
        losses.append(float(log_loss(stated, happened[here]).mean()))
    return np.array(losses)


def fit(kind: str, probability: Floats, happened: Floats) -> Calibration:
    """Learn one kind: nothing, a shift or a line on the log-odds scale, or steps."""
    odds = _log_odds(probability)
    if kind == NONE:
        return IDENTITY
    if kind == ISOTONIC:
        return _isotonic(odds, happened)

    terms = np.stack([np.ones(len(odds)), odds])[: 2 if kind == LOGISTIC else 1]
    base = np.zeros(len(odds)) if kind == LOGISTIC else odds

    def loss(weights: Floats) -> float:
        moved = weights @ terms + base
        return float(np.mean(np.logaddexp(0, moved) - happened * moved))

    def slopes(weights: Floats) -> Floats:
        return np.asarray(terms @ (expit(weights @ terms + base) - happened) / len(odds), np.float64)

    def curve(weights: Floats) -> Floats:
        stated = expit(weights @ terms + base)
        return np.asarray((terms * (stated * (1 - stated))) @ terms.T / len(odds), np.float64)

    start = np.array([0.0, 1.0])[: len(terms)]
    found = minimize(loss, start, method="trust-exact", jac=slopes, hess=curve, options={"gtol": 1e-6}).x.round(5)
    slope = max(float(found[1]), 0.01) if kind == LOGISTIC else 1.0
    return Calibration(kind, (-20.0, 20.0), (float(found[0]) - 20 * slope, float(found[0]) + 20 * slope))


def levelled(calibration: Calibration, probability: Floats, happened: Floats) -> Calibration:
    """The same map, moved on the log-odds scale so that it states as many outcomes as there were."""
    moved = fit(SHIFT, calibration(probability), happened).to[0] + 20.0
    return Calibration(calibration.kind, calibration.at, tuple(to + moved for to in calibration.to))


def log_loss(probability: Floats, happened: Floats) -> Floats:
    """Of each case the negative logarithm of the chance given to what happened."""
    sure = np.clip(probability, _TINY, 1 - _TINY)
    return np.asarray(-np.where(happened > 0, np.log(sure), np.log1p(-sure)), np.float64)


def _isotonic(odds: Floats, happened: Floats) -> Calibration:
    """Steps of equal size, pooled where they would fall (pool adjacent violators), joined by lines."""
    parts = np.array_split(np.argsort(odds, kind="stable"), min(_STEPS, max(2, len(odds) // 200)))
    pools: list[list[float]] = []
    for part in parts:
        pools.append([float(odds[part].sum()), float(happened[part].sum()), float(len(part))])
        while len(pools) > 1 and pools[-2][1] / pools[-2][2] >= pools[-1][1] / pools[-1][2]:
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    if len(pools) < 2:
        return fit(SHIFT, np.asarray(1 / (1 + np.exp(-odds))), happened)
    # Half an outcome each way, so that no step is of a chance of 0 or 1.
    rates = [_log_odds(np.array([(back + 0.5) / (count + 1)]))[0] for _, back, count in pools]
    return Calibration(
        ISOTONIC, tuple(total / count for total, _, count in pools), tuple(np.maximum.accumulate(rates).tolist())
    )


def _log_odds(probability: Floats) -> Floats:
    sure = np.clip(probability, _TINY, 1 - _TINY)
    return np.asarray(np.log(sure / (1 - sure)), np.float64)


def _slope(at: Sequence[float], to: Sequence[float]) -> float:
    return max((to[1] - to[0]) / max(at[1] - at[0], 1e-9), 0.0)
