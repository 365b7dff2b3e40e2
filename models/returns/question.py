"""The returns model as its life asks for it: decisions of a closed window, learning, judging, scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import drawings, evaluation
from models.calibration import log_loss
from models.description import Model, Recipe
from models.drawings import Drawing
from models.returns import example
from models.returns.features import FEATURES, Inputs, raw_frame
from models.returns.learning import PARAMETERS, grow, rates_of, split
from models.returns.lines import Lines
from models.returns.model import LIGHTGBM, LOGISTIC, SKU_RATE, ReturnModel
from models.returns.rows import Rows, at_drawn_age, at_order, at_shipment, joined, open_on
from models.splits import ClosedWindow
from models.tables import day_number, span, texts

Floats = NDArray[np.float64]
_FEWEST_LINES = 100
_MOMENTS = ("order", "shipment", "later")
_DRAWN = 5
_MOST_DRAWN = 5_000
_MANY_RETURNED = 3


@dataclass(frozen=True)
class Cases:
    """Rows of lines ordered within a window, with what came of them; `moment` is that of the decision."""

    rows: Rows
    happened: Floats
    moment: NDArray[np.object_]


class Question:
    """Answers for a return window of `matures_days`."""

    needs_window_before = False

    def __init__(self, matures_days: int) -> None:
        self.window_days = matures_days

    def read(self, tables: Mapping[str, pd.DataFrame]) -> Lines:
        return Lines.from_tables(tables)

    def days(self, history: Lines) -> tuple[date, date] | None:
        return span(history.day, history.last_day)

    def recipe(self, seed: int) -> Recipe:
        return Recipe(LIGHTGBM, dict(PARAMETERS), seed)

    def cases(self, history: Lines, window: ClosedWindow) -> Cases:
        """Each line ordered in the window three times: at its order, at its shipment and at a later age."""
        day, origin = history.day, day_number(window.origin)
        chosen = history.is_sold & (day > origin) & (day <= origin + window.horizon_days)
        parts = [
            at_order(history, chosen, self.window_days),
            at_shipment(history, chosen, self.window_days),
            at_drawn_age(history, chosen, self.window_days, _DRAWN),
        ]
        rows = joined(joined(parts[0], parts[1]), parts[2])
        moment = np.repeat(np.array(_MOMENTS, object), [len(part) for part in parts])
        return Cases(rows, rows.happened(), moment)

    def learn(self, recipe: Recipe, history: Lines, as_of: date) -> ReturnModel:
        day = day_number(as_of)
        known = history.until(day)
        if recipe.method == SKU_RATE:
            return self._sku_rate(known, day)
        parts = split(known, day, self.window_days)
        parameters = None if recipe.method == LOGISTIC else recipe.parameters
        grown = grow(known, parts, self.window_days, recipe.seed, parameters)
        return ReturnModel(
            recipe.method,
            grown.rates,
            _part(known, self._mature(known, day)),
            grown.calibration,
            grown.trees,
            grown.regression,
            grown.share,
            grown.categories,
        )

    def _sku_rate(self, known: Lines, day: int) -> ReturnModel:
        is_mature = self._mature(known, day)
        if is_mature.sum() < _FEWEST_LINES:
            return ReturnModel(SKU_RATE, rates_of(known, is_mature, self.window_days), (1.0, 1.0))
        return ReturnModel(SKU_RATE, rates_of(known, is_mature, self.window_days), _part(known, is_mature))

    def _mature(self, known: Lines, day: int) -> NDArray[np.bool_]:
        return known.is_sold & (known.day <= day - self.window_days)

    def finish(self, recipe: Recipe, learned: ReturnModel, before: object, cases: object) -> ReturnModel:
        return learned

    def judge(self, model: Model, cases: Cases) -> pd.DataFrame:
        if not isinstance(model, ReturnModel):
            raise TypeError(f"{model.method} is no model of returns")
        inputs, back = Inputs.of_rows(cases.rows), cases.happened
        stated = model.probability(inputs)
        value = inputs.column("unit_price").astype(np.float64) * inputs.column("units_ordered")
        return pd.DataFrame(
            {
                **_slices(cases, inputs),
                "log_loss.part": log_loss(stated, back),
                "log_loss.whole": 1.0,
                "auc.part": evaluation.placements(stated, back),
                "auc.whole": back,
                "average_precision.part": evaluation.precisions(stated, back),
                "average_precision.whole": back,
                "brier.part": (stated - back) ** 2,
                "brier.whole": 1.0,
                "value_brier.part": value * (stated - back) ** 2,
                "value_brier.whole": value,
                "return.gap": back - stated,
                "return.stated": stated,
            }
        )

    def score(self, model: Model, history: Lines) -> pd.DataFrame:
        if not isinstance(model, ReturnModel):
            raise TypeError(f"{model.method} is no model of returns")
        rows = open_on(history, history.last_day, self.window_days)
        names = ("order_line_id", "customer_id")
        key = pd.DataFrame({name: texts(history.frame[name].iloc[rows.index]) for name in names})
        return key.join(model.told(Inputs.of_rows(rows)))

    def drawings(self, model: Model, history: Lines) -> Mapping[str, Drawing]:
        """What moves the lines that may still come back."""
        if not isinstance(model, ReturnModel):
            raise TypeError(f"{model.method} is no model of returns")
        rows = open_on(history, history.last_day, self.window_days)
        inputs = Inputs.of_rows(rows.chosen(drawings.evenly(np.arange(len(rows)), _MOST_DRAWN)))
        return {"importance": drawings.importance(FEATURES, model.contributions(inputs))}

    def load(self, files: Mapping[str, bytes]) -> ReturnModel:
        return ReturnModel.from_files(files)

    def example(self) -> pd.DataFrame:
        return raw_frame(at_order(example.lines(), np.ones(example.SIZE, bool), self.window_days))


def _part(known: Lines, which: NDArray[np.bool_]) -> tuple[float, float]:
    """The mean part of a line that comes back, of lines of one unit and of several."""
    back, several = known.returns, known.numbers("units_ordered") > 1
    chosen = which[back.line]
    parts = np.zeros(len(known.day))
    np.add.at(parts, back.line[chosen], back.share[chosen])
    found = []
    for kind in (~several, several):
        shares = np.minimum(parts[kind & (parts > 0)], 1.0)
        # Ten lines that came back as a whole stand for what is not known.
        found.append(float((shares.sum() + 10) / (len(shares) + 10)))
    return found[0], found[1]


def _slices(cases: Cases, inputs: Inputs) -> dict[str, object]:
    lines, index = cases.rows.lines, cases.rows.index
    texts = {name: lines.frame[name].to_numpy(object)[index] for name in ("category_1", "channel", "ship_country")}
    named = {name: np.array([value or "none" for value in values], object) for name, values in texts.items()}
    return {
        "at": lines.day[index].astype("datetime64[D]").astype("datetime64[ns]"),
        "moment": cases.moment,
        "buyer": _buyers(inputs),
        "category": named["category_1"],
        "channel": named["channel"],
        "country": named["ship_country"],
    }


def _buyers(inputs: Inputs) -> NDArray[np.object_]:
    """Who orders: of many returns is who has sent back three lines or more, and half of all."""
    orders = inputs.column("past_order_count")
    returned, lines = inputs.column("customer_returned"), inputs.column("customer_lines")
    kinds = [np.isnan(orders), orders == 0, (returned >= _MANY_RETURNED) & (returned >= lines / 2)]
    return np.select(kinds, ["guest", "new", "many returns"], "returning").astype(object)
