"""Quantiles of demand: a negative binomial around the forecast mean.

Demand counts scatter more than a Poisson would let them; in the NB2 form the variance is m + alpha m^2 (Cameron
and Trivedi 2013, Regression Analysis of Count Data, 3.3). Alpha is estimated by maximum likelihood with the mean
given, on forecasts made before their outcome, so that it covers the error of the mean too. It falls as volume
rises, hence one alpha a volume class, interpolated in between. The moment estimate (their auxiliary regression)
is not used: a handful of bulk orders set it for all others, and P90 then covers far too little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]

LEVELS = (0.1, 0.5, 0.9)
_CLASS_EDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_PAIRS_PER_CLASS = 200
_ALPHA_BOUNDS = (1e-3, 1e2)
# A mean of 0 would make any later sale impossible.
_SMALLEST_MEAN = 1e-3


@dataclass(frozen=True)
class Dispersion:
    """NB2 alpha at given means, ascending; flat outside, linear between in the logarithms of both."""

    means: tuple[float, ...]
    alphas: tuple[float, ...]

    def alpha(self, mean: Floats) -> Floats:
        at = np.log(np.maximum(mean, _SMALLEST_MEAN))
        return np.asarray(np.exp(np.interp(at, np.log(self.means), np.log(self.alphas))))

    def quantile(self, mean: Floats, level: float) -> Floats:
        """The smallest count whose probability of not being exceeded is at least `level`."""
        size, chance = self._parameters(mean)
        return np.asarray(stats.nbinom.ppf(level, size, chance), dtype=np.float64)

    def coverage(self, actual: Floats, mean: Floats, level: float) -> float:
        """The mean of `covered`."""
        return float(self.covered(actual, mean, level).mean())

    def covered(self, actual: Floats, mean: Floats, level: float) -> Floats:
        """1 for an actual below the quantile, 0 above it, on it the part that the level needs.

        Its mean is the expectation of the randomised probability integral transform (Czado, Gneiting and Held 2009,
        Predictive model assessment for count data): `level` for a perfect forecast, however many zeros.
        """
        size, chance = self._parameters(mean)
        quantile = stats.nbinom.ppf(level, size, chance)
        below = stats.nbinom.cdf(quantile - 1, size, chance)
        part = (level - below) / (stats.nbinom.cdf(quantile, size, chance) - below)
        return np.asarray((actual < quantile) + (actual == quantile) * part, np.float64)

    def _parameters(self, mean: Floats) -> tuple[Floats, Floats]:
        mean = np.maximum(mean, _SMALLEST_MEAN)
        alpha = self.alpha(mean)
        return 1 / alpha, 1 / (1 + alpha * mean)


# What stands in where no outcome is known yet: variance m + m^2, that of a geometric distribution.
UNKNOWN = Dispersion((1.0,), (1.0,))


def estimate(actual: Floats, mean: Floats) -> Dispersion:
    """Alpha by volume class from outcomes and the means that were forecast for them."""
    if not len(actual):
        return UNKNOWN
    mean = np.maximum(mean, _SMALLEST_MEAN)
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
    # Here, because scoring reads a stored dispersion and does without statsmodels' second of imports.
    from statsmodels.genmod.families import NegativeBinomial

    def loss(log_alpha: float) -> float:
        return -float(NegativeBinomial(alpha=np.exp(log_alpha)).loglike(actual, mean)) / len(actual)

    return float(np.exp(minimize_scalar(loss, bounds=np.log(_ALPHA_BOUNDS), method="bounded").x))
