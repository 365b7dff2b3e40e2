"""The night's forecast: every series and day of the horizon, and the totals of store, location and category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand.dispersion import LEVELS
from models.demand.features import pair_features
from models.demand.model import CLOSED, ENDED, QUANTILES, DemandModel
from models.demand.panel import Panel
from models.demand.sums import CATEGORY, STORE, added, members

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NO_CATEGORY = "(none)"
_RULES = (CLOSED, ENDED)


@dataclass(frozen=True)
class Forecast:
    """Of the series that are in the grid on the panel's last day, `last` their rows; matrices by series and day."""

    model: DemandModel
    panel: Panel
    last: Integers
    mean: Floats
    methods: NDArray[np.object_]

    @property
    def days(self) -> int:
        return int(self.mean.shape[1])

    def dates(self) -> pd.DatetimeIndex:
        first = int(self.panel.day.max()) + 1
        return pd.DatetimeIndex(np.arange(first, first + self.days).astype("datetime64[D]"))


def forecast(model: DemandModel, panel: Panel, horizon_days: int) -> Forecast:
    """Forecast days 1..`horizon_days` after the panel's last day."""
    last = np.flatnonzero(panel.day == panel.day.max())
    features = pair_features(panel, *_pairs(last, horizon_days))
    mean = model.mean(features)
    shape = (len(last), horizon_days)
    return Forecast(model, panel, last, mean.reshape(shape), model.methods(features, mean).reshape(shape))


def by_sku(said: Forecast) -> pd.DataFrame:
    """Rows by sku, location_id and day, with `units_mean`, quantiles and `method`."""
    keys = said.panel.keys.iloc[said.panel.series[said.last]]
    repeated = {name: np.repeat(keys[name].to_numpy(), said.days) for name in ("sku", "location_id")}
    counts = said.model.dispersion.counts(said.mean.reshape(-1))
    return pd.DataFrame(
        {
            **repeated,
            "forecast_date": np.tile(said.dates().date, len(said.last)),
            "horizon_days": np.tile(np.arange(1, said.days + 1, dtype=np.int32), len(said.last)),
            "units_mean": counts.mean,
            **{name: counts.quantile(level) for name, level in zip(QUANTILES, LEVELS, strict=True)},
            "method": said.methods.reshape(-1),
        }
    )


def by_total(said: Forecast) -> pd.DataFrame:
    """Rows by level (store, location, category), key and day: means are sums of the SKUs', quantiles the sum's own."""
    location = said.panel.keys["location_id"].to_numpy()[said.panel.series[said.last]]
    first, second = (said.panel.category(name, said.last) for name in ("category_1", "category_2"))
    path = np.array([NO_CATEGORY if one is None else str(one) for one in first], dtype=object)
    deeper = np.array(
        [None if two is None or one is None else f"{one} > {two}" for one, two in zip(first, second, strict=True)],
        dtype=object,
    )
    everything = np.full(len(said.last), STORE, dtype=object)
    levels = [(STORE, everything, STORE), ("location", location, STORE)]
    levels += [(CATEGORY, path, CATEGORY), (CATEGORY, deeper, CATEGORY)]
    frames = [_totals(said, level, keys, said.model.correlations[kind]) for level, keys, kind in levels]
    whole = pd.concat(frames, ignore_index=True)
    return whole.sort_values(["level", "key", "forecast_date"], kind="stable", ignore_index=True)


def _totals(said: Forecast, level: str, keys: NDArray[np.object_], correlation: float) -> pd.DataFrame:
    has_key = np.array([key is not None for key in keys], dtype=bool)
    codes, names = pd.factorize(keys[has_key], sort=True)
    group = (codes[:, None] * said.days + np.arange(said.days)).reshape(-1)
    parts = members(said.mean[has_key].reshape(-1), said.model.dispersion)
    counts = added(parts, group, len(names) * said.days).counts(correlation)
    return pd.DataFrame(
        {
            "level": level,
            "key": np.repeat(np.asarray(names, dtype=object), said.days),
            "forecast_date": np.tile(said.dates().date, len(names)),
            "horizon_days": np.tile(np.arange(1, said.days + 1, dtype=np.int32), len(names)),
            "units_mean": counts.mean,
            **{name: counts.quantile(each) for name, each in zip(QUANTILES, LEVELS, strict=True)},
        }
    )


def _pairs(last: Integers, horizon_days: int) -> tuple[Integers, Integers]:
    return np.repeat(last, horizon_days), np.tile(np.arange(1, horizon_days + 1), len(last))
