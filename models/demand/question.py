"""The demand model as its life asks for it: cases of a closed window, learning, judging, scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import evaluation
from models.demand.baselines import BASELINES
from models.demand.dispersion import LEVELS, UNKNOWN, estimate
from models.demand.features import WEEK, example_features, pair_features
from models.demand.model import LIGHTGBM, QUANTILES, DemandModel, forecast
from models.demand.panel import Panel, day_number
from models.demand.trees import PARAMETERS, ROUNDS, Trees, fit_trees
from models.description import Model, Recipe
from models.splits import ClosedWindow

Floats = NDArray[np.float64]
# Units a day in the four weeks before the origin, up to which a SKU counts as such.
_VOLUMES = ((0.1, "slow"), (1.0, "middle"), (np.inf, "fast"))


@dataclass(frozen=True)
class Cases:
    """One row an observed day of a closed window, for the series known at its origin.

    `scale` is the series' one-day naive squared error before the origin, NaN where there is none.
    """

    window: ClosedWindow
    features: pd.DataFrame
    units: Floats
    series: NDArray[np.int64]
    scale: Floats


class Question:
    """Answers for a horizon of `matures_days`."""

    needs_window_before = True

    def __init__(self, matures_days: int) -> None:
        self.horizon_days = matures_days

    def read(self, tables: Mapping[str, pd.DataFrame]) -> Panel:
        return Panel.from_frame(tables["feat_sku_day"])

    def days(self, history: Panel) -> tuple[date, date] | None:
        if not len(history.day):
            return None
        first, last = (np.datetime64(int(day), "D").astype(date) for day in (history.day.min(), history.day.max()))
        return first, last

    def recipe(self, seed: int) -> Recipe:
        return Recipe(LIGHTGBM, {**PARAMETERS, "rounds": ROUNDS, "horizon_days": self.horizon_days}, seed)

    def cases(self, history: Panel, window: ClosedWindow) -> Cases:
        rows = history.rows_on(window.origin)
        origins = np.repeat(rows, window.horizon_days)
        horizons = np.tile(np.arange(1, window.horizon_days + 1), len(rows))
        targets = history.target_rows(origins, horizons)
        is_known = (targets >= 0) & history.is_observed[targets]
        features = pair_features(history, origins[is_known], horizons[is_known])
        targets = targets[is_known]
        past = history.day <= day_number(window.origin)
        scale = evaluation.naive_squared_error(history.units[past], history.is_observed[past], history.series[past])
        series = history.series[targets]
        return Cases(window, features, history.units[targets], series, scale[series])

    def learn(self, recipe: Recipe, history: Panel, as_of: date) -> Trees | None:
        if recipe.method in BASELINES:
            return None
        parameters = dict(recipe.parameters)
        rounds, horizon_days = int(parameters.pop("rounds")), int(parameters.pop("horizon_days"))
        return fit_trees(history.until(as_of), horizon_days, recipe.seed, parameters, rounds)

    def finish(self, recipe: Recipe, learned: Trees | None, before: Trees | None, cases: Cases) -> DemandModel:
        if not len(cases.units):
            return DemandModel(recipe.method, UNKNOWN, learned)
        mean = DemandModel(recipe.method, UNKNOWN, before).mean(cases.features)
        return DemandModel(recipe.method, estimate(cases.units, mean), learned)

    def judge(self, model: Model, cases: Cases) -> pd.DataFrame:
        if not isinstance(model, DemandModel):
            raise TypeError(f"{model.method} is no demand model")
        units, mean = cases.units, model.mean(cases.features)
        error, price = mean - units, cases.features["unit_price"].fillna(0.0).to_numpy(np.float64)
        is_scaled = cases.scale > 0
        squared = np.divide(error**2, cases.scale, out=np.zeros_like(error), where=is_scaled)
        columns: dict[str, object] = {
            **_slices(cases),
            "series": cases.series,
            "rmsse.part": squared,
            "rmsse.whole": is_scaled.astype(np.float64),
            "wape.part": np.abs(error),
            "wape.whole": units,
            "bias.part": error,
            "bias.whole": units,
            "revenue_wape.part": np.abs(error) * price,
            "revenue_wape.whole": units * price,
        }
        for quantile, level in zip(QUANTILES, LEVELS, strict=True):
            name = quantile.removeprefix("units_")
            short_by = units - model.dispersion.quantile(mean, level)
            columns[f"pinball_{name}.part"] = np.maximum(level * short_by, (level - 1) * short_by)
            columns[f"pinball_{name}.whole"] = np.ones(len(units))
            columns[f"{name}.gap"] = model.dispersion.covered(units, mean, level) - level
        return pd.DataFrame(columns)

    def score(self, model: Model, history: Panel) -> pd.DataFrame:
        if not isinstance(model, DemandModel):
            raise TypeError(f"{model.method} is no demand model")
        predictions = forecast(model, history, self.horizon_days)
        predictions["forecast_date"] = predictions["forecast_date"].dt.date
        predictions["horizon_days"] = predictions["horizon_days"].astype("int32")
        return predictions

    def load(self, files: Mapping[str, bytes]) -> DemandModel:
        return DemandModel.from_files(files)

    def example(self) -> pd.DataFrame:
        return example_features()


def _slices(cases: Cases) -> dict[str, object]:
    ahead = cases.features["horizon_days"].to_numpy(np.int64)
    sold = cases.features["mean_28d"]
    week = (ahead - 1) // WEEK
    spans = np.array([f"{WEEK * n + 1} to {WEEK * (n + 1)}" for n in range(int(week.max(initial=0)) + 1)])
    return {
        "at": np.datetime64(cases.window.origin, "D") + ahead,
        "volume": np.select([sold <= edge for edge, _ in _VOLUMES], [name for _, name in _VOLUMES], "new"),
        "category": cases.features["category_1"].astype(object).fillna("none").to_numpy(),
        "days_ahead": spans[week],
    }
