"""The plainer rival: a logistic regression on the same features, categories by their category's rate alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from models import logistic
from models.returns.features import FEATURES, MONOTONE
from models.returns.lines import CATEGORIES

Floats = NDArray[np.float64]
_MOST_ROWS, _PENALTY = 60_000, 1e-5
_NUMBERS = tuple(number for number, name in enumerate(FEATURES) if name not in CATEGORIES)
_NEVER_BELOW_0 = np.array(
    [False, *(MONOTONE.get(FEATURES[number], 0) > 0 for number in _NUMBERS), *(False for _ in _NUMBERS)]
)
_RATES = tuple(name.endswith("_rate") or name == "any_cause" for name in FEATURES)


@dataclass(frozen=True)
class Regression:
    """Weights of standardised features and of what is unknown; the first is the constant."""

    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]

    def log_odds(self, made: NDArray[np.float32]) -> Floats:
        return np.asarray(_terms(made, self.means, self.scales) @ np.asarray(self.weights), np.float64)

    def contributions(self, made: NDArray[np.float32]) -> Floats:
        """What each feature adds to the log-odds against its mean, shape (rows, features)."""
        weighted = _terms(made, self.means, self.scales)[:, 1:] * np.asarray(self.weights)[1:]
        found = np.zeros((len(made), len(FEATURES)))
        found[:, _NUMBERS] = weighted[:, : len(_NUMBERS)] + weighted[:, len(_NUMBERS) :]
        return found


def fit_regression(made: NDArray[np.float32], happened: Floats, counts: Floats, seed: int) -> Regression:
    """Weights that make what happened most likely, less a small penalty on their squares: terms may say the same.

    `counts` say what each row counts for. Where there are many rows a sample is taken, of what came back as many as of
    what did not, if there are so many. What differs from machine to machine is rounded away.
    """
    if len(made) > _MOST_ROWS:
        kept, times = _sample(happened, seed)
        made, happened, counts = made[kept], happened[kept], counts[kept] * times
    plain = _plain(made)
    means, scales = (tuple(found.tolist()) for found in logistic.standard(plain, 1e-9))
    terms = _terms(made, means, scales)
    return Regression(means, scales, tuple(np.round(_weights(terms, happened, counts / counts.mean()), 5).tolist()))


def _sample(happened: Floats, seed: int) -> tuple[NDArray[np.int64], Floats]:
    """Rows of the sample in order, and how many rows each stands for."""
    draw, left, kept, times = np.random.default_rng(seed), _MOST_ROWS, [], []
    for number, of_kind in enumerate(sorted((np.flatnonzero(happened == kind) for kind in (0, 1)), key=len)):
        size = min(len(of_kind), left // (2 - number))
        kept.append(draw.choice(of_kind, size, replace=False))
        times.append(np.full(size, len(of_kind) / max(size, 1)))
        left -= size
    order = np.argsort(np.concatenate(kept))
    return np.concatenate(kept)[order], np.concatenate(times)[order]


def _weights(terms: Floats, happened: Floats, counts: Floats) -> Floats:
    """Terms whose weight would be below 0 although more of them can't mean less are left out, until there is none."""
    weights, used = np.zeros(terms.shape[1]), terms.std(axis=0) > 0
    used[0] = True
    while True:
        found = logistic.fit(terms[:, used], happened, _PENALTY, weights[used], counts=counts)
        weights = np.zeros(len(used))
        weights[used] = found
        wrong = _NEVER_BELOW_0 & (weights < 0)
        if not wrong.any():
            return weights
        used &= ~wrong


def _plain(made: NDArray[np.float32]) -> Floats:
    plain = made[:, _NUMBERS].astype(np.float64)
    is_rate = np.array([_RATES[number] for number in _NUMBERS])
    plain[:, is_rate] = logit(np.clip(plain[:, is_rate], 1e-4, 1 - 1e-4))
    return plain


def _terms(made: NDArray[np.float32], means: tuple[float, ...], scales: tuple[float, ...]) -> Floats:
    """A constant, each number standardised (0 where unknown, at most 5 either way), and whether it is unknown."""
    plain = _plain(made)
    unknown = ~np.isfinite(plain)
    standard = np.clip((np.where(unknown, 0, plain) - np.asarray(means)) / np.asarray(scales), -5, 5)
    return np.hstack([np.ones((len(made), 1)), np.where(unknown, 0, standard), unknown.astype(np.float64)])
