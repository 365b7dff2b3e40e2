"""The distribution of a sum of demands: of several days of a SKU, or of several SKUs on a day.

Quantiles do not add. A sum is a negative binomial too, with the sum of the means, and with a variance between that of
demands which scatter apart and of demands which scatter as one: Var = M + (1 - r) sum(a m^2) + r (sum(sqrt(a) m))^2.
The correlation r is estimated by maximum likelihood on sums of forecasts made before their outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.demand.counts import SMALLEST_MEAN, Counts, log_likelihood
from models.demand.dispersion import Dispersion
from models.demand.history import WEEK
from models.demand.judging import Cases

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DAYS_OF_A_SKU, CATEGORY, STORE = "days of a SKU", "category", "store"
# Demands scatter neither wholly apart nor wholly as one where too little was seen.
_UNKNOWN = 0.3
_FEWEST_SUMS = 20


@dataclass(frozen=True)
class Parts:
    """What a sum needs of its members: sums of their m, a m^2 and sqrt(a) m."""

    mean: Floats
    apart: Floats
    common: Floats

    def counts(self, correlation: float) -> Counts:
        mean = np.maximum(self.mean, SMALLEST_MEAN)
        variance = (1 - correlation) * self.apart + correlation * self.common**2
        return Counts(self.mean, np.maximum(variance / mean**2, 1e-6))


def members(mean: Floats, dispersion: Dispersion) -> Parts:
    """Each demand as a sum of one."""
    alpha = dispersion.alpha(mean)
    return Parts(mean, alpha * mean**2, np.sqrt(alpha) * mean)


def added(parts: Parts, group: Integers, size: int) -> Parts:
    """Sums of demands by group, whose numbers are below `size`."""

    def total(values: Floats) -> Floats:
        return np.bincount(group, weights=values, minlength=size).astype(np.float64)

    return Parts(total(parts.mean), total(parts.apart), total(parts.common))


def estimate_correlations(cases: Cases, mean: Floats, dispersion: Dispersion) -> Mapping[str, float]:
    """The correlation of each kind of sum, from a closed window and the means that were forecast for it.

    Only observed days are in outcome and forecast alike.
    """
    ahead = cases.features["horizon_days"].to_numpy(np.int64)
    parts = members(mean, dispersion)
    category = pd.factorize(cases.features["category_1"].astype(object))[0] + 1
    day = ahead - 1
    width = int(ahead.max(initial=1))
    groups = {CATEGORY: [category * width + day], STORE: [day], DAYS_OF_A_SKU: _spans(cases.series, ahead)}
    return {kind: _correlation(cases.units, parts, keys) for kind, keys in groups.items()}


def _spans(series: Integers, ahead: Integers) -> list[Integers]:
    """The days of a SKU up to one, two and all weeks; -1 for a day beyond."""
    last = int(ahead.max(initial=1))
    return [np.where(ahead <= span, series, -1) for span in dict.fromkeys((min(WEEK, last), min(2 * WEEK, last), last))]


def _correlation(units: Floats, parts: Parts, keys: list[Integers]) -> float:
    actual, sums = [], []
    for key in keys:
        inside = key >= 0
        group = np.unique(key[inside], return_inverse=True)[1]
        size = int(group.max(initial=-1)) + 1
        chosen = Parts(parts.mean[inside], parts.apart[inside], parts.common[inside])
        actual.append(np.bincount(group, weights=units[inside], minlength=size))
        sums.append(added(chosen, group, size))
    outcome = np.concatenate(actual).astype(np.float64)
    if len(outcome) < _FEWEST_SUMS:
        return _UNKNOWN
    every = Parts(*(np.concatenate([getattr(one, name) for one in sums]) for name in ("mean", "apart", "common")))

    def loss(correlation: float) -> float:
        counts = every.counts(correlation)
        return -log_likelihood(outcome, counts.mean, counts.alpha)

    return round(float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-4}).x), 6)
