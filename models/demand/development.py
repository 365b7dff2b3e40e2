"""From history to the model that should speak: fit the candidates, judge them on closed windows, refit the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import evaluation
from models.demand.baselines import BASELINES, WEEKDAY_MEAN, baseline_mean
from models.demand.dispersion import LEVELS, Dispersion, estimate
from models.demand.features import pair_features
from models.demand.model import LIGHTGBM, QUANTILES, DemandModel
from models.demand.panel import Panel, day_number
from models.demand.trees import TooLittleDataError, fit_trees
from models.splits import ClosedWindow, closed_windows

METHODS = (LIGHTGBM, *BASELINES)
# Besides the two windows: eight weeks, so that the oldest fit knows the mean of eight weekdays.
_DAYS_BEFORE_WINDOWS = 56

Floats = NDArray[np.float64]
Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Development:
    """The model that should speak, why, and what each candidate scored on the newest closed window.

    `metrics` is empty where the history is too short to compare. `window` is the one that the metrics and the
    model's dispersion come from; the model's mean has been refitted on all days up to its end.
    """

    model: DemandModel
    window: ClosedWindow
    metrics: Mapping[str, Metrics]
    reason: str


@dataclass(frozen=True)
class Outcomes:
    """What happened in a closed window: one row an observed day, with its features as of the origin."""

    window: ClosedWindow
    features: pd.DataFrame
    units: Floats
    series: NDArray[np.int64]


def develop(
    panel: Panel, as_of: date, horizon_days: int, seed: int, threads: int, log: Callable[[str], None]
) -> Development:
    """Choose between the global model and the baselines, and fit the winner on everything up to `as_of`.

    On each of the two newest closed windows every candidate forecasts from the window's origin, having seen
    nothing later. The older window gives its dispersion, the newer one judges it. The winner's dispersion is
    then taken from the newer window.
    """
    newest, older = (window_outcomes(panel, window) for window in closed_windows(as_of, horizon_days, 2))
    length = int(panel.day.max() - panel.day.min()) + 1
    needed = 2 * horizon_days + _DAYS_BEFORE_WINDOWS
    if length < needed or not len(newest.units) or not len(older.units):
        reason = (
            f"{WEEKDAY_MEAN} without comparison: {length} days of history; comparing needs {needed}, "
            f"with observed days in each of the last two windows of {horizon_days}"
        )
        return Development(baseline_model(panel, as_of, horizon_days), newest.window, {}, reason)
    metrics: dict[str, Metrics] = {}
    dispersions: dict[str, Dispersion] = {}
    for method in METHODS:
        try:
            older_mean, mean = _window_means(method, panel, (older, newest), seed, threads)
        except TooLittleDataError as error:
            log(f"{method}: left out, {error}")
            continue
        metrics[method] = judge(panel, newest, mean, estimate(older.units, older_mean))
        dispersions[method] = estimate(newest.units, mean)
        log(f"{method}: " + ", ".join(f"{name} {metrics[method][name]:.3f}" for name in _HEADLINES))
    winner, reason = choose(metrics)
    trees = fit_trees(panel, horizon_days, seed) if winner == LIGHTGBM else None
    return Development(DemandModel(winner, dispersions[winner], trees), newest.window, metrics, reason)


_HEADLINES = ("rmsse", "wape", "bias", "coverage_p10", "coverage_p90")


def choose(metrics: Mapping[str, Metrics]) -> tuple[str, str]:
    """The method to use and the reason: the model only if its RMSSE is below that of every baseline.

    RMSSE decides because the mean minimises it; WAPE is lowest for a median, which is 0 for most SKUs.
    """
    scores = {method: figures["rmsse"] for method, figures in metrics.items() if np.isfinite(figures["rmsse"])}
    if not scores:
        return WEEKDAY_MEAN, f"{WEEKDAY_MEAN}: no series has an RMSSE on the newest closed window"
    best_baseline = min((name for name in scores if name in BASELINES), key=lambda name: scores[name])
    is_better = scores.get(LIGHTGBM, np.inf) < scores[best_baseline]
    winner = LIGHTGBM if is_better else best_baseline
    others = ", ".join(f"{score:.4f} of {name}" for name, score in scores.items() if name != winner)
    return winner, f"{winner}: RMSSE {scores[winner]:.4f} on the newest closed window, against {others}"


def baseline_model(panel: Panel, as_of: date, horizon_days: int) -> DemandModel:
    """The baseline that needs no training, its dispersion from the newest closed window where there is one."""
    past = window_outcomes(panel, closed_windows(as_of, horizon_days, 1)[0])
    return DemandModel(WEEKDAY_MEAN, estimate(past.units, baseline_mean(WEEKDAY_MEAN, past.features)))


def window_outcomes(panel: Panel, window: ClosedWindow) -> Outcomes:
    """Every observed day of the window, for the series known at its origin."""
    rows = panel.rows_on(window.origin)
    origins = np.repeat(rows, window.horizon_days)
    horizons = np.tile(np.arange(1, window.horizon_days + 1), len(rows))
    targets = panel.target_rows(origins, horizons)
    is_known = (targets >= 0) & panel.is_observed[targets]
    features = pair_features(panel, origins[is_known], horizons[is_known])
    targets = targets[is_known]
    return Outcomes(window, features, panel.units[targets], panel.series[targets])


def judge(panel: Panel, outcomes: Outcomes, mean: Floats, dispersion: Dispersion) -> Metrics:
    """The figures of one candidate; see `models.evaluation` and `Dispersion.coverage`."""
    units = outcomes.units
    before = panel.day <= day_number(outcomes.window.origin)
    scale = evaluation.naive_squared_error(panel.units[before], panel.is_observed[before], panel.series[before])
    metrics = {
        "wape": evaluation.wape(units, mean),
        "rmsse": evaluation.rmsse(units, mean, outcomes.series, scale),
        "bias": evaluation.bias(units, mean),
    }
    for name, level in zip(QUANTILES, LEVELS, strict=True):
        short = name.removeprefix("units_")
        quantile = dispersion.quantile(mean, level)
        metrics[f"pinball_{short}"] = evaluation.pinball_loss(units, quantile, level)
        metrics[f"coverage_{short}"] = dispersion.coverage(units, mean, level)
        metrics[f"at_or_below_{short}"] = evaluation.share_at_or_below(units, quantile)
    return metrics


def _window_means(method: str, panel: Panel, windows: tuple[Outcomes, ...], seed: int, threads: int) -> list[Floats]:
    """The candidate's mean for each window, fitted on what was known at its origin."""
    if method in BASELINES:
        return [baseline_mean(method, outcomes.features) for outcomes in windows]

    def forecast(outcomes: Outcomes) -> Floats:
        window = outcomes.window
        return fit_trees(panel.until(window.origin), window.horizon_days, seed).predict(outcomes.features)

    # One thread a fit: the trees stay the same whatever `threads` is, and the fits run side by side.
    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(forecast, windows))
