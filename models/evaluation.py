"""The scale of a series' errors, from its days before the forecast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def naive_squared_error(units: Floats, is_observed: NDArray[np.bool_], series: Integers) -> Floats:
    """Mean squared day-to-day change of each series from its first non-zero day on.

    A squared error divided by it is that of the M5 competition's RMSSE (Makridakis, Spiliotis and Assimakopoulos
    2022, The M5 competition: background, organization, and implementation, International Journal of Forecasting
    38(4)), where series are averaged with sales weights; here every series weighs the same.

    `units` holds the days before the origin, ordered by series and day. A change counts where both of its days
    were observed; a series without one gets NaN.
    """
    non_zero = np.flatnonzero(units > 0)
    first = np.full(series.max(initial=-1) + 1, len(units))
    np.minimum.at(first, series[non_zero], non_zero)
    has_started = np.arange(len(units)) >= first[series]
    counts = (series[1:] == series[:-1]) & has_started[:-1] & is_observed[1:] & is_observed[:-1]
    change = np.diff(units)[counts] ** 2
    total = np.bincount(series[1:][counts], weights=change, minlength=len(first))
    number = np.bincount(series[1:][counts], minlength=len(first))
    error = np.full(len(first), np.nan)
    np.divide(total, number, out=error, where=number > 0)
    return error


def placements(score: Floats, happened: Floats) -> Floats:
    """For each case that happened the share of the others that it ranks above, ties half; 0 for those others.

    Its mean over what happened is the area under the ROC curve (DeLong, DeLong and Clarke-Pearson 1988, Comparing the
    areas under two or more correlated receiver operating characteristic curves).
    """
    others, placed = np.sort(score[happened == 0]), np.zeros(len(score))
    here = happened > 0
    below = np.searchsorted(others, score[here], side="left")
    not_above = np.searchsorted(others, score[here], side="right")
    placed[here] = (below + not_above) / 2 / max(len(others), 1)
    return placed


def precisions(score: Floats, happened: Floats) -> Floats:
    """For each case that happened the share that happened of all that score as high or higher; 0 for the others.

    Its mean over what happened is the average precision, the area under the precision-recall curve.
    """
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last_of_equals = np.searchsorted(-ranked, -ranked, side="right")
    so_far = np.concatenate([[0.0], np.cumsum(happened[order])])
    precise = np.empty(len(score))
    precise[order] = so_far[last_of_equals] / np.maximum(last_of_equals, 1)
    return np.where(happened > 0, precise, 0.0)
