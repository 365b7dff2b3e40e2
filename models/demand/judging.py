"""What a forecast did on the cases of a closed window, row by row, whoever made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand.history import WEEK
from models.splits import ClosedWindow

Floats = NDArray[np.float64]

# Units a day in the four weeks before the origin, up to which a SKU counts as such.
_VOLUMES = ((0.1, "slow"), (1.0, "middle"), (np.inf, "fast"))
# Share of days with a sale in the quarter before the origin.
_INTERMITTENCY = ((0.1, "rare"), (0.5, "lumpy"), (np.inf, "regular"))
# Younger at the origin than the oldest lag that weighs.
_NEW_DAYS = 56


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


def judged(
    cases: Cases, mean: Floats, quantiles: Mapping[float, Floats], covered: Mapping[float, Floats]
) -> pd.DataFrame:
    """The columns that the description's metrics, slices and claims name.

    `quantiles` by their level; `covered` what of each came true, 0 to 1.
    """
    units = cases.units
    error, price = mean - units, cases.features["unit_price"].fillna(0.0).to_numpy(np.float64)
    is_scaled = cases.scale > 0
    columns: dict[str, object] = {
        **_slices(cases),
        "series": cases.series,
        "rmsse.part": np.divide(error**2, cases.scale, out=np.zeros_like(error), where=is_scaled),
        "rmsse.whole": is_scaled.astype(np.float64),
        "wape.part": np.abs(error),
        "wape.whole": units,
        "bias.part": error,
        "bias.whole": units,
        "revenue_wape.part": np.abs(error) * price,
        "revenue_wape.whole": units * price,
    }
    for level, quantile in quantiles.items():
        short_by, name = units - quantile, f"p{round(level * 100)}"
        columns[f"pinball_{name}.part"] = np.maximum(level * short_by, (level - 1) * short_by)
        columns[f"pinball_{name}.whole"] = np.ones(len(units))
        columns[f"{name}.gap"] = covered[level] - level
    return pd.DataFrame(columns)


def volume(sold: pd.Series) -> NDArray[np.object_]:
    """The volume class of SKUs that sold so many units a day; `new` where nothing is known."""
    return _class(sold, _VOLUMES)


def _slices(cases: Cases) -> dict[str, object]:
    features = cases.features
    ahead = features["horizon_days"].to_numpy(np.int64)
    week = (ahead - 1) // WEEK
    spans = np.array([f"{WEEK * n + 1} to {WEEK * (n + 1)}" for n in range(int(week.max(initial=0)) + 1)])
    is_new = (features["age_days"] - ahead < _NEW_DAYS).to_numpy(bool)
    return {
        "at": np.datetime64(cases.window.origin, "D") + ahead,
        "volume": volume(features["mean_28d"]),
        "intermittency": _class(features["sale_share_91d"], _INTERMITTENCY),
        "category": features["category_1"].astype(object).fillna("none").to_numpy(),
        "age": np.where(is_new, "new", "known"),
        "promotion": np.where(features["is_planned"] > 0, "planned", "none"),
        "days_ahead": spans[week],
    }


def _class(values: pd.Series, edges: tuple[tuple[float, str], ...]) -> NDArray[np.object_]:
    chosen = np.select([values <= edge for edge, _ in edges], [name for _, name in edges], "new")
    return np.asarray(chosen, dtype=object)
