"""Shares of rises, by weekday or overall, as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from models.description import Model, Recipe
from models.splits import ClosedWindow


@dataclass(frozen=True)
class Shares:
    """The share of rises after each weekday, Monday first."""

    method: str
    shares: tuple[float, ...]

    @property
    def version(self) -> str:
        return hashlib.sha256(self.files()["shares.json"]).hexdigest()[:12]

    def files(self) -> dict[str, bytes]:
        return {"shares.json": json.dumps({"method": self.method, "shares": self.shares}).encode()}

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"rise_probability": np.asarray(self.shares)[features["weekday"].astype(int)]})


class Question:
    needs_window_before = False

    def __init__(self, matures_days: int) -> None:
        self.matures_days = matures_days

    def read(self, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        frame = tables["feat_store_day"].sort_values("sold_on", ignore_index=True)
        day = pd.to_datetime(frame["sold_on"])
        units = frame["units"].astype(float)
        return pd.DataFrame({"day": day, "weekday": day.dt.dayofweek, "rise": (units.shift(-1) > units).astype(float)})

    def days(self, history: pd.DataFrame) -> tuple[date, date] | None:
        return history["day"].iloc[0].date(), history["day"].iloc[-1].date()

    def recipe(self, seed: int) -> Recipe:
        return Recipe("weekday_share", {"prior": 2.0}, seed)

    def cases(self, history: pd.DataFrame, window: ClosedWindow) -> pd.DataFrame:
        return history[history["day"] == pd.Timestamp(window.origin)]

    def learn(self, recipe: Recipe, history: pd.DataFrame, as_of: date) -> tuple[float, ...]:
        known = history[history["day"] < pd.Timestamp(as_of)]
        overall = float(known["rise"].mean())
        if recipe.method == "overall_share":
            return (overall,) * 7
        prior = float(recipe.parameters["prior"])
        by_day = known.groupby("weekday")["rise"]
        share = (by_day.sum() + prior * overall) / (by_day.count() + prior)
        return tuple(share.reindex(range(7), fill_value=overall).tolist())

    def finish(self, recipe: Recipe, learned: tuple[float, ...], before: object, cases: object) -> Shares:
        return Shares(recipe.method, learned)

    def complete(self, recipe: Recipe, model: Shares, history: pd.DataFrame, as_of: date) -> Shares:
        return model

    def judge(self, model: Model, cases: pd.DataFrame) -> pd.DataFrame:
        stated = model.predict(cases)["rise_probability"].to_numpy()
        rise = cases["rise"].to_numpy()
        return pd.DataFrame(
            {"at": cases["day"], "brier.part": (stated - rise) ** 2, "brier.whole": 1.0, "rise.gap": rise - stated}
        )

    def score(self, model: Model, history: pd.DataFrame) -> pd.DataFrame:
        return self.example().join(model.predict(self.example()))

    def load(self, files: Mapping[str, bytes]) -> Shares:
        content = json.loads(files["shares.json"])
        return Shares(content["method"], tuple(content["shares"]))

    def example(self) -> pd.DataFrame:
        return pd.DataFrame({"weekday": list(range(7))})
