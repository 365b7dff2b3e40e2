"""The negative binomial as the distribution of a count of units, around a mean and its dispersion.

In the NB2 form the variance is m + alpha m^2 (Cameron and Trivedi 2013, Regression Analysis of Count Data, 3.3). Where
the mean is 0 nothing will be sold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

# A mean nearer to 0 than this would make any later sale impossible.
SMALLEST_MEAN = 1e-3


@dataclass(frozen=True)
class Counts:
    """Negative binomial counts, one a row: `mean` and NB2 `alpha`."""

    mean: Floats
    alpha: Floats

    def quantile(self, level: float | Floats) -> Floats:
        """The smallest count whose probability of not being exceeded is at least `level`."""
        size, chance = self._parameters()
        return np.where(self.mean > 0, stats.nbinom.ppf(level, size, chance), 0.0)

    def exceeds(self, units: Floats) -> Floats:
        """The probability of more than so many units."""
        size, chance = self._parameters()
        return np.where(self.mean > 0, stats.nbinom.sf(np.floor(units), size, chance), 0.0)

    def shortage(self, units: Floats) -> Floats:
        """The units expected beyond so many whole ones.

        E[(D - s)+] = E[D; D >= s] - s P(D >= s), and k P(D = k) is m times the chance of k - 1 with a size of one more.
        """
        size, chance = self._parameters()
        beyond = self.mean * stats.nbinom.sf(units - 2, size + 1, chance) - units * stats.nbinom.sf(
            units - 1, size, chance
        )
        return np.where(self.mean > 0, np.maximum(beyond, 0.0), 0.0)

    def covered(self, actual: Floats, level: float) -> Floats:
        """1 for an actual below the quantile, 0 above it, on it the part that the level needs.

        Its mean is the expectation of the randomised probability integral transform (Czado, Gneiting and Held 2009,
        Predictive model assessment for count data): `level` for a perfect forecast, however many zeros.
        """
        size, chance = self._parameters()
        quantile = stats.nbinom.ppf(level, size, chance)
        below = stats.nbinom.cdf(quantile - 1, size, chance)
        part = (level - below) / (stats.nbinom.cdf(quantile, size, chance) - below)
        return np.asarray((actual < quantile) + (actual == quantile) * part, np.float64)

    def _parameters(self) -> tuple[Floats, Floats]:
        mean = np.maximum(self.mean, SMALLEST_MEAN)
        return 1 / self.alpha, 1 / (1 + self.alpha * mean)


def log_likelihood(actual: Floats, mean: Floats, alpha: float | Floats) -> float:
    """Of outcomes, per outcome."""
    # Here, because scoring reads stored parameters and does without statsmodels' second of imports.
    from statsmodels.genmod.families import NegativeBinomial

    return float(np.mean(NegativeBinomial(alpha=alpha).loglike_obs(actual, np.maximum(mean, SMALLEST_MEAN))))
