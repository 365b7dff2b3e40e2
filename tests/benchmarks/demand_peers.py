"""What a good practitioner would put together: the demand model's peers, given the same history and plan.

A peer sees units a day of every series up to the origin, days without stock or opening filled with the mean of the four
weeks before, the catalog's categories, and the promotions announced by then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.demand.panel import CATEGORIES, Panel

HORIZON_DAYS = 28
LEVELS = (0.1, 0.5, 0.9)
ROUNDS = 100
SEASON = 7


@dataclass(frozen=True)
class Said:
    """A peer's forecast: units by series (in the order asked) and day ahead, quantiles by level where it has them."""

    mean: np.ndarray
    quantiles: Mapping[float, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A history as peers take it: `y` by row of the panel, `future` the plan of the days asked for."""

    frame: pd.DataFrame
    future: pd.DataFrame
    series: np.ndarray


def asked(panel: Panel, series: np.ndarray) -> Asked:
    """The history of these series up to the panel's last day."""
    history = panel.history
    chosen = np.flatnonzero(np.isin(panel.series, series))
    cells = history.cells(chosen)
    units, seen = (history.window(sums, cells, 28) for sums in (history.units, history.observed))
    usual = np.divide(units, seen, out=np.zeros(len(chosen)), where=seen > 0)
    frame = pd.DataFrame(
        {
            "unique_id": panel.series[chosen],
            "ds": pd.to_datetime(panel.day[chosen], unit="D"),
            "y": np.where(panel.is_observed[chosen], panel.units[chosen], usual),
            "discount": _discounts(panel, panel.series[chosen], panel.day[chosen], panel.day[chosen]),
        }
    )
    frame["is_promoted"] = (~frame["discount"].isna()).astype(float)
    last = int(panel.day.max())
    ids, ahead = np.repeat(series, HORIZON_DAYS), np.tile(np.arange(1, HORIZON_DAYS + 1), len(series))
    planned = _discounts(panel, ids, last + ahead, np.full(len(ids), last))
    future = pd.DataFrame({"unique_id": ids, "ds": pd.to_datetime(last + ahead, unit="D"), "discount": planned})
    future["is_promoted"] = (~future["discount"].isna()).astype(float)
    for name in CATEGORIES:
        newest = dict(zip(panel.series[chosen], panel.codes[name][chosen], strict=True))
        frame[name] = pd.Categorical(frame["unique_id"].map(newest))
    return Asked(frame.fillna({"discount": 0.0}), future.fillna({"discount": 0.0}), series)


def moving_average(question: Asked) -> Said:
    tail = question.frame.groupby("unique_id")["y"].apply(lambda y: y.tail(28).mean())
    return Said(np.repeat(tail.loc[question.series].to_numpy()[:, None], HORIZON_DAYS, axis=1))


def weekday_mean(question: Asked) -> Said:
    frame = question.frame.assign(weekday=question.frame["ds"].dt.weekday)
    tail = frame.groupby(["unique_id", "weekday"])["y"].apply(lambda y: y.tail(8).mean()).unstack()
    ahead = pd.date_range(frame["ds"].max() + pd.Timedelta(days=1), periods=HORIZON_DAYS).weekday
    said = tail.reindex(question.series).to_numpy()[:, ahead]
    return Said(np.where(np.isnan(said), moving_average(question).mean, said))


def statsforecast(question: Asked) -> dict[str, Said]:
    """Exponential smoothing, Theta, and the Croston family."""
    os.environ["NIXTLA_ID_AS_COL"] = "1"
    from statsforecast import StatsForecast
    from statsforecast.models import TSB, AutoETS, AutoTheta, CrostonSBA

    sized = question.frame.groupby("unique_id")["y"].transform("size") >= 2 * SEASON
    frame = question.frame.loc[sized, ["unique_id", "ds", "y"]]
    smooth = [AutoETS(season_length=SEASON), AutoTheta(season_length=SEASON)]
    sparse = [CrostonSBA(), TSB(alpha_d=0.1, alpha_p=0.1)]
    found = StatsForecast(models=smooth, freq="D", n_jobs=1).forecast(df=frame, h=HORIZON_DAYS, level=[80])
    more = StatsForecast(models=sparse, freq="D", n_jobs=1).forecast(df=frame, h=HORIZON_DAYS)
    found = found.merge(more, on=["unique_id", "ds"]).reset_index()
    said = {}
    for name in ("AutoETS", "AutoTheta", "CrostonSBA", "TSB"):
        mean = _matrix(question, found, name)
        quantiles = {}
        if f"{name}-lo-80" in found:
            low, high = (_matrix(question, found, f"{name}-{end}-80") for end in ("lo", "hi"))
            quantiles = {0.1: low, 0.5: mean, 0.9: high}
        said[name] = Said(mean, quantiles)
    return said


def mlforecast_direct(question: Asked, seed: int = 7) -> Said:
    """A Tweedie mean and three quantile models, one LightGBM a day ahead."""
    return _mlforecast(question, seed, HORIZON_DAYS, has_quantiles=True)


def mlforecast_recursive(question: Asked, seed: int = 7) -> Said:
    """A Tweedie mean that feeds on itself."""
    return _mlforecast(question, seed, None, has_quantiles=False)


def mlforecast_quantiles(question: Asked, seed: int = 7) -> Said:
    """A Tweedie mean and three quantile models, each feeding on itself: the quickest way to all four."""
    return _mlforecast(question, seed, None, has_quantiles=True)


def _mlforecast(question: Asked, seed: int, max_horizon: int | None, has_quantiles: bool) -> Said:
    import lightgbm
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean

    def regressor(**objective: object) -> lightgbm.LGBMRegressor:
        return lightgbm.LGBMRegressor(
            n_estimators=ROUNDS,
            learning_rate=0.05,
            num_leaves=63,
            min_child_samples=50,
            subsample=0.8,
            subsample_freq=1,
            colsample_bytree=0.8,
            random_state=seed,
            n_jobs=1,
            verbosity=-1,
            **objective,
        )

    models = {"mean": regressor(objective="tweedie", tweedie_variance_power=1.5)}
    if has_quantiles:
        models |= {f"q{level}": regressor(objective="quantile", alpha=level) for level in LEVELS}
    forecaster = MLForecast(
        models=models,
        freq="D",
        lags=[1, 7, 14, 28],
        lag_transforms={1: [RollingMean(7), RollingMean(28), RollingMean(91, min_samples=1)]},
        date_features=["dayofweek", "day", "month"],
        num_threads=1,
    )
    enough = question.frame.groupby("unique_id")["y"].transform("size") >= 3 * HORIZON_DAYS
    forecaster.fit(question.frame[enough], static_features=list(CATEGORIES), max_horizon=max_horizon)
    future = question.future[question.future["unique_id"].isin(question.frame.loc[enough, "unique_id"].unique())]
    found = forecaster.predict(HORIZON_DAYS, X_df=future)
    quantiles = {level: _matrix(question, found, f"q{level}") for level in LEVELS} if has_quantiles else {}
    return Said(_matrix(question, found, "mean"), _sorted(quantiles))


def every_peer() -> dict[str, Callable[[Asked], Said | dict[str, Said]]]:
    return {
        "moving_average": moving_average,
        "weekday_mean": weekday_mean,
        "statsforecast": statsforecast,
        "mlforecast direct": mlforecast_direct,
        "mlforecast recursive": mlforecast_recursive,
    }


def _sorted(quantiles: dict[float, np.ndarray]) -> dict[float, np.ndarray]:
    """Quantile models cross; a competent user puts them in order."""
    if not quantiles:
        return {}
    ordered = np.sort(np.stack([quantiles[level] for level in LEVELS]), axis=0)
    return dict(zip(LEVELS, ordered, strict=True))


def _matrix(question: Asked, found: pd.DataFrame, column: str) -> np.ndarray:
    """By series and day ahead, never negative; a series too young for a peer gets its moving average."""
    wide = found.pivot(index="unique_id", columns="ds", values=column).reindex(question.series).to_numpy()
    return np.maximum(np.where(np.isnan(wide), moving_average(question).mean, wide), 0.0)


def _discounts(panel: Panel, series: np.ndarray, days: np.ndarray, known_on: np.ndarray) -> np.ndarray:
    return panel.plan.promoted(panel.history.sku[series], days, known_on)
