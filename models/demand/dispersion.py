"""How far demand scatters around its forecast mean.

Demand counts scatter more than a Poisson would let them. The alpha of a negative binomial (`counts`) is estimated by
maximum likelihood with the mean given, on forecasts made before their outcome, so that it covers the error of the mean
too. It falls as volume rises, hence one alpha a volume class, interpolated in between. The moment estimate (their
auxiliary regression) is not used: a handful of bulk orders set it for all others, and P90 then covers far too little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.demand.counts import SMALLEST_MEAN, Counts, log_likelihood

Floats = NDArray[np.float64]

LEVELS = (0.1, 0.5, 0.9)
_CLASS_EDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_PAIRS_PER_CLASS = 200
_ALPHA_BOUNDS = (1e-3, 1e2)


@dataclass(frozen=True)
class Dispersion:
    """NB2 alpha at given means, ascending; flat outside, linear between in the logarithms of both."""

    means: tuple[float, ...]
    alphas: tuple[float, ...]

    def alpha(self, mean: Floats) -> Floats:
        at = np.log(np.maximum(mean, SMALLEST_MEAN))
        return np.asarray(np.exp(np.interp(at, np.log(self.means), np.log(self.alphas))))

    def counts(self, mean: Floats) -> Counts:
        return Counts(mean, self.alpha(mean))


# What stands in where no outcome is known yet: variance m + m^2, that of a geometric distribution.
UNKNOWN = Dispersion((1.0,), (1.0,))


def estimate(actual: Floats, mean: Floats) -> Dispersion:
    """Alpha by volume class from outcomes and the means that were forecast for them."""
    if not len(actual):
        return UNKNOWN
    mean = np.maximum(mean, SMALLEST_MEAN)
    volume = np.digitize(mean, _CLASS_EDGES)
    means, alphas = [], []
    for number in range(len(_CLASS_EDGES) + 1):
        chosen = volume == number
        if chosen.sum() >= _PAIRS_PER_CLASS:
            means.append(float(np.exp(np.log(mean[chosen]).mean())))
            alphas.append(_most_likely_alpha(actual[chosen], mean[chosen]))
    if not means:
        return Dispersion((1.0,), (_most_likely_alpha(actual, mean),))
    return Dispersion(tuple(means), tuple(alphas))


def _most_likely_alpha(actual: Floats, mean: Floats) -> float:
    def loss(log_alpha: float) -> float:
        return -log_likelihood(actual, mean, float(np.exp(log_alpha)))

    return float(np.exp(minimize_scalar(loss, bounds=np.log(_ALPHA_BOUNDS), method="bounded").x))
