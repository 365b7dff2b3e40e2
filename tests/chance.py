"""How far from what it should be something may lie by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

LIMIT = 4.0
TAIL = float(stats.norm.sf(LIMIT))


def z_of_counts(happened: pd.Series, chance: pd.Series | float, weight: pd.Series | float = 1.0) -> float:
    """Of the weighted number of independent yes-or-no outcomes."""
    chance, weight = (pd.Series(given, index=happened.index, dtype=float) for given in (chance, weight))
    variance = (weight**2 * chance * (1 - chance)).sum()
    return float((weight * (happened.astype(float) - chance)).sum() / np.sqrt(variance))


def z_of_mean(values: pd.Series, mean: float, sd: float) -> float:
    """Of the mean of independent draws of known mean and standard deviation."""
    return float((values.mean() - mean) / (sd / np.sqrt(len(values))))


def z_of_sums(difference: pd.Series, *cluster: pd.Series) -> float:
    """Of a sum of differences that are correlated within clusters only: t by the clusters' own sums, told as z."""
    sums = difference.groupby(list(cluster)).sum()
    t = sums.sum() / np.sqrt((sums**2).sum())
    # By logarithms, since far out the probability itself is 0.
    log_tail = stats.t.logsf(abs(t), df=len(sums) - 1)
    return float(np.sign(t) * (stats.norm.isf(np.exp(log_tail)) if log_tail > -600 else abs(t)))


def is_count_of_rate(count: int, mean: float) -> bool:
    """Whether a Poisson count of this mean may come out so: exact, at both ends."""
    return bool(stats.poisson.cdf(count, mean) > TAIL and stats.poisson.sf(count - 1, mean) > TAIL)


def is_share(count: int, size: int, chance: float) -> bool:
    """Whether so many of `size` may come out at this chance: exact binomial, at both ends."""
    return bool(stats.binom.cdf(count, size, chance) > TAIL and stats.binom.sf(count - 1, size, chance) > TAIL)


def bins(values: pd.Series, count: int) -> pd.Series:
    """Quantile bins; equal values share one."""
    return pd.qcut(values, count, labels=False, duplicates="drop")
