"""How good a forecast was. Everything takes flat arrays of equal length, one entry a forecast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def wape(actual: Floats, forecast: Floats) -> float:
    """Weighted absolute percentage error: sum of absolute errors over the sum of actuals (NaN where that is 0)."""
    return _ratio(np.abs(forecast - actual).sum(), actual.sum())


def bias(actual: Floats, forecast: Floats) -> float:
    """Surplus forecast as a share of the sum of actuals; above 0 is too much."""
    return _ratio((forecast - actual).sum(), actual.sum())


def pinball_loss(actual: Floats, quantile: Floats, level: float) -> float:
    """Mean quantile loss at `level` (Koenker and Bassett 1978), in the unit of `actual`."""
    error = actual - quantile
    return float(np.maximum(level * error, (level - 1) * error).mean())


def share_at_or_below(actual: Floats, quantile: Floats) -> float:
    """Share of actuals that do not exceed the quantile. Counts with many zeros exceed the level by their nature."""
    return float((actual <= quantile).mean())


def rmsse(actual: Floats, forecast: Floats, series: Integers, naive_mse: Floats) -> float:
    """Mean over series of the root mean squared scaled error as the M5 competition defines it.

    A series' mean squared error is divided by `naive_mse[series]`, its one-day naive error before the origin;
    series whose own is 0 or unknown cannot be scaled and are left out. Source: Makridakis, Spiliotis and
    Assimakopoulos (2022), The M5 competition: background, organization, and implementation, International
    Journal of Forecasting 38(4), where it is averaged with sales weights; here every series weighs the same.
    """
    count = np.bincount(series, minlength=len(naive_mse))
    squared = np.bincount(series, weights=(forecast - actual) ** 2, minlength=len(naive_mse))
    is_scaled = (count > 0) & (naive_mse > 0)
    if not is_scaled.any():
        return float("nan")
    return float(np.sqrt(squared[is_scaled] / count[is_scaled] / naive_mse[is_scaled]).mean())


def naive_squared_error(units: Floats, is_observed: NDArray[np.bool_], series: Integers) -> Floats:
    """Mean squared day-to-day change of each series from its first non-zero day on; the scale of `rmsse`.

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


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")
