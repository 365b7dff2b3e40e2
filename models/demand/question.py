"""The demand model as its life asks for it: cases of a closed window, learning, judging, scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import evaluation
from models.demand.baselines import BASELINES, MOVING_AVERAGE
from models.demand.dispersion import LEVELS, UNKNOWN, estimate
from models.demand.features import example_features, pair_features
from models.demand.forecast import Forecast, by_sku, by_total, forecast
from models.demand.judging import Cases, judged
from models.demand.mixing import weights
from models.demand.model import LIGHTGBM, DemandModel
from models.demand.panel import Panel, day_number
from models.demand.plan import Plan
from models.demand.replenishment import orders
from models.demand.sums import estimate_correlations
from models.demand.trees import PARAMETERS, ROUNDS, Trees, fit_trees
from models.description import Model, Recipe
from models.splits import ClosedWindow

Floats = NDArray[np.float64]


class Question:
    """Answers for a horizon of `matures_days`."""

    needs_window_before = True

    def __init__(self, matures_days: int) -> None:
        self.horizon_days = matures_days
        self._said: tuple[DemandModel, Panel, Forecast] | None = None

    def read(self, tables: Mapping[str, pd.DataFrame]) -> Panel:
        plan = Plan.from_frames(tables.get("feat_sku_promotion_day"), tables.get("feat_calendar_day"))
        return Panel.from_frame(tables["feat_sku_day"], plan, tables.get("feat_sku_supply"))

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
        said = DemandModel(recipe.method, UNKNOWN, before)
        if before is not None:
            average = DemandModel(MOVING_AVERAGE, UNKNOWN).mean(cases.features)
            said = replace(said, average_weights=weights(cases, said.mean(cases.features), average))
        mean = said.mean(cases.features)
        dispersion = estimate(cases.units, mean)
        correlations = estimate_correlations(cases, mean, dispersion)
        return replace(said, dispersion=dispersion, trees=learned, correlations=correlations)

    def complete(self, recipe: Recipe, model: DemandModel, history: Panel, as_of: date) -> DemandModel:
        return model

    def judge(self, model: Model, cases: Cases) -> pd.DataFrame:
        if not isinstance(model, DemandModel):
            raise TypeError(f"{model.method} is no demand model")
        counts = model.dispersion.counts(model.mean(cases.features))
        quantiles = {level: counts.quantile(level) for level in LEVELS}
        covered = {level: counts.covered(cases.units, level) for level in LEVELS}
        return judged(cases, counts.mean, quantiles, covered)

    def score(self, model: Model, history: Panel) -> pd.DataFrame:
        return by_sku(self._forecast(model, history))

    def further(self, model: Model, history: Panel) -> dict[str, pd.DataFrame]:
        said = self._forecast(model, history)
        return {"demand_total": by_total(said), "replenishment": orders(said)}

    def _forecast(self, model: Model, history: Panel) -> Forecast:
        """The same for `score` and what is made `further` of it."""
        if not isinstance(model, DemandModel):
            raise TypeError(f"{model.method} is no demand model")
        if self._said is None or self._said[0] is not model or self._said[1] is not history:
            self._said = model, history, forecast(model, history, self.horizon_days)
        return self._said[2]

    def load(self, files: Mapping[str, bytes]) -> DemandModel:
        return DemandModel.from_files(files)

    def example(self) -> pd.DataFrame:
        return example_features()
