"""The naive forecasts that a model has to beat, read straight from its features."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SEASONAL_NAIVE = "seasonal_naive"
WEEKDAY_MEAN = "weekday_mean"
MOVING_AVERAGE = "moving_average"

_RECENT = ("same_weekday_mean", "mean_28d", "mean_91d")
# The features a baseline repeats, in order: a later one speaks where those before it know nothing.
BASELINES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        SEASONAL_NAIVE: ("same_weekday_last", *_RECENT),
        WEEKDAY_MEAN: _RECENT,
        MOVING_AVERAGE: ("mean_28d", "mean_91d"),
    }
)


def baseline_mean(method: str, features: pd.DataFrame) -> NDArray[np.float64]:
    """Units a day; 0 for a series of which nothing was ever observed."""
    mean = features[list(BASELINES[method])].bfill(axis=1).iloc[:, 0]
    return mean.fillna(0.0).to_numpy(np.float64)
