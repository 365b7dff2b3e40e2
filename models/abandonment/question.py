"""The model of abandoned carts as its life asks for it: decisions of a closed window, learning, judging, scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import drawings, evaluation
from models.abandonment import example, plots
from models.abandonment.carts import KEY, MOMENTS, NIGHT, Carts, Floats
from models.abandonment.features import FEATURES, Inputs, raw_frame
from models.abandonment.learning import PARAMETERS, STAGES, grow, mature, split
from models.abandonment.model import LIGHTGBM, LOGISTIC, RECENCY_RULE, CartModel
from models.abandonment.rule import fit_rule
from models.abandonment.uplift import Experiment, experiment_of, learn_effect
from models.calibration import log_loss
from models.description import Model, Recipe
from models.drawings import Drawing
from models.splits import ClosedWindow
from models.tables import Integers, day_number, span, texts

_NEWEST_DAYS, _MOST_DRAWN = 28, 5_000


@dataclass(frozen=True)
class Cases:
    """Rows of carts decided on within a window, with what came of them without a message."""

    carts: Carts
    index: Integers
    happened: Floats


class Question:
    """Answers for a horizon of `matures_days`."""

    needs_window_before = False

    def __init__(self, matures_days: int) -> None:
        self.horizon_days = matures_days

    def read(self, tables: Mapping[str, pd.DataFrame]) -> Carts:
        return Carts.from_tables(tables)

    def days(self, history: Carts) -> tuple[date, date] | None:
        return span(history.day, history.last_day)

    def recipe(self, seed: int) -> Recipe:
        return Recipe(LIGHTGBM, dict(PARAMETERS), seed)

    def cases(self, history: Carts, window: ClosedWindow) -> Cases:
        """Every decision of the window on a cart that was not written to; those held out stand for the others."""
        origin = day_number(window.origin)
        index = history.unwritten((history.day > origin) & (history.day <= origin + window.horizon_days))
        return Cases(history, index, history.happened(self.horizon_days)[index])

    def learn(self, recipe: Recipe, history: Carts, as_of: date) -> CartModel:
        day = day_number(as_of)
        known = history.until(day)
        index = mature(known, day, self.horizon_days)
        rule = fit_rule(Inputs.of_rows(known, index), known.happened(self.horizon_days)[index])
        if recipe.method == RECENCY_RULE:
            return CartModel(RECENCY_RULE, rule)
        parts = split(known, day, self.horizon_days)
        parameters = None if recipe.method == LOGISTIC else recipe.parameters
        stages = {name: grow(known, parts, name, self.horizon_days, recipe.seed, parameters) for name in STAGES}
        return CartModel(recipe.method, rule, stages)

    def finish(self, recipe: Recipe, learned: CartModel, before: object, cases: object) -> CartModel:
        return learned

    def complete(self, recipe: Recipe, model: CartModel, history: Carts, as_of: date) -> CartModel:
        """The same model with what an experiment tells of messages, where one was large enough."""
        if not model.stages:
            return model
        day = day_number(as_of)
        tried, categories = self._experiment(model, history.until(day), day)
        return replace(model, effect=learn_effect(tried, categories, recipe.seed))

    def judge(self, model: Model, cases: Cases) -> pd.DataFrame:
        if not isinstance(model, CartModel):
            raise TypeError(f"{model.method} is no model of carts")
        inputs, bought = Inputs.of_rows(cases.carts, cases.index), cases.happened
        stated, value = model.probability(inputs), inputs.column("cart_amount").astype(np.float64)
        moment = inputs.text("moment")
        ranked = {name: np.zeros(len(bought)) for name in ("auc", "average_precision")}
        for each in MOMENTS:
            here = moment == each
            ranked["auc"][here] = evaluation.placements(stated[here], bought[here])
            ranked["average_precision"][here] = evaluation.precisions(stated[here], bought[here])
        return pd.DataFrame(
            {
                **_slices(cases, inputs, moment),
                "log_loss.part": log_loss(stated, bought),
                "log_loss.whole": 1.0,
                "auc.part": ranked["auc"],
                "auc.whole": bought,
                "average_precision.part": ranked["average_precision"],
                "average_precision.whole": bought,
                "brier.part": (stated - bought) ** 2,
                "brier.whole": 1.0,
                "value_brier.part": value * (stated - bought) ** 2,
                "value_brier.whole": value,
                "purchase.gap": bought - stated,
                "purchase.stated": stated,
            }
        )

    def score(self, model: Model, history: Carts) -> pd.DataFrame:
        """Tonight's carts: those left behind that the night can still do something about."""
        if not isinstance(model, CartModel):
            raise TypeError(f"{model.method} is no model of carts")
        index = np.flatnonzero((history.moment == NIGHT) & (history.day == history.last_day) & history.is_open)
        key = pd.DataFrame({name: texts(history.frame[name].iloc[index]) for name in KEY})
        return key.join(model.told(Inputs.of_rows(history, index)))

    def drawings(self, model: Model, history: Carts) -> Mapping[str, Drawing]:
        """What moves the carts of the last four weeks, how soon carts are bought, and whom messages win first."""
        if not isinstance(model, CartModel):
            raise TypeError(f"{model.method} is no model of carts")
        index = np.flatnonzero((history.day > history.last_day - _NEWEST_DAYS) & history.is_open)
        inputs = Inputs.of_rows(history, drawings.evenly(index, _MOST_DRAWN))
        bought = mature(history, history.last_day, self.horizon_days)
        found: dict[str, Drawing] = {
            "importance": drawings.importance(FEATURES, model.contributions(inputs)),
            "lead_time": plots.lead_times(history, bought, self.horizon_days),
        }
        if model.stages and (qini := plots.qini(*self._experiment(model, history, history.last_day), seed=0)):
            found["qini"] = qini
        return found

    def _experiment(self, model: CartModel, known: Carts, day: int) -> tuple[Experiment, Mapping[str, tuple[str, ...]]]:
        categories = model.stages["left"].categories
        return experiment_of(known, day, self.horizon_days, categories, model.probability), categories

    def load(self, files: Mapping[str, bytes]) -> CartModel:
        return CartModel.from_files(files)

    def example(self) -> pd.DataFrame:
        return raw_frame(Inputs.of_rows(example.carts(), np.arange(example.SIZE)))


def _slices(cases: Cases, inputs: Inputs, moment: NDArray[np.object_]) -> dict[str, object]:
    orders = inputs.column("earlier_order_count")
    named = {
        column: np.array([name or "none" for name in inputs.text(source)], object)
        for column, source in (("device", "device"), ("source", "traffic_source"))
    }
    return {
        "at": cases.carts.day[cases.index].astype("datetime64[D]").astype("datetime64[ns]"),
        "moment": moment,
        "buyer": np.select([np.isnan(orders), orders == 0], ["unknown", "new"], "returning"),
        **named,
    }
