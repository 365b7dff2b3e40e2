"""Grown trees of LightGBM as they are kept and asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_END_OF_TREES = "end of trees"


@dataclass(frozen=True)
class Trees:
    """A fitted model: LightGBM's text, and the values its category codes stand for."""

    text: str
    categories: Mapping[str, tuple[str, ...]]

    @cached_property
    def booster(self) -> lgb.Booster:
        return lgb.Booster(model_str=self.text)

    @property
    def grown(self) -> str:
        """The part of the text that predicts, without the parameters that follow it."""
        return self.text.partition(_END_OF_TREES)[0]

    def log_odds(self, made: NDArray[np.float32]) -> Floats:
        return np.asarray(self.booster.predict(made, raw_score=True, num_threads=1), np.float64)

    def contributions(self, made: NDArray[np.float32]) -> Floats:
        """What each feature adds to the log-odds of each row (Lundberg et al. 2020, From local explanations to global
        understanding with explainable AI for trees), shape (rows, features)."""
        return np.asarray(self.booster.predict(made, pred_contrib=True, num_threads=1), np.float64)[:, :-1]
