"""A demand model as it is stored, loaded and asked: a mean and the dispersion around it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand.baselines import BASELINES, baseline_mean
from models.demand.dispersion import LEVELS, Dispersion
from models.demand.features import FEATURES, pair_features
from models.demand.panel import Panel
from models.demand.trees import Trees

LIGHTGBM = "lightgbm"
QUANTILES = tuple(f"units_p{round(level * 100)}" for level in LEVELS)
DESCRIPTION_FILE = "model.json"
TREES_FILE = "booster.txt"


@dataclass(frozen=True)
class DemandModel:
    """`method` is `lightgbm` (with `trees`) or the name of a baseline (without)."""

    method: str
    dispersion: Dispersion
    trees: Trees | None = None

    def mean(self, features: pd.DataFrame) -> NDArray[np.float64]:
        return self.trees.predict(features) if self.trees else baseline_mean(self.method, features)

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """`units_mean` and `units_p10`, `units_p50`, `units_p90` for each row of `pair_features`."""
        mean = self.mean(features)
        quantiles = {name: self.dispersion.quantile(mean, level) for name, level in zip(QUANTILES, LEVELS, strict=True)}
        return pd.DataFrame({"units_mean": mean, **quantiles})

    @property
    def version(self) -> str:
        """First 12 hex digits of the SHA-256 of all that predicts."""
        content = self._description() + (self.trees.grown.encode() if self.trees else b"")
        return hashlib.sha256(content).hexdigest()[:12]

    def files(self) -> dict[str, bytes]:
        """The model as files; `from_files` reads them back."""
        files = {DESCRIPTION_FILE: self._description()}
        return files | ({TREES_FILE: self.trees.text.encode()} if self.trees else {})

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> DemandModel:
        """Read what `files` wrote; give only bytes proven whole, LightGBM can crash on others.

        Raises `ValueError` when the model was made for other features than this code computes.
        """
        description = json.loads(files[DESCRIPTION_FILE])
        if description["features"] != list(FEATURES):
            raise ValueError("the model was trained on other features than this version of Nightshift computes")
        dispersion = Dispersion(tuple(description["dispersion"]["means"]), tuple(description["dispersion"]["alphas"]))
        method = description["method"]
        if method in BASELINES:
            return cls(method, dispersion)
        categories = {name: tuple(values) for name, values in description["categories"].items()}
        return cls(method, dispersion, Trees(files[TREES_FILE].decode(), categories))

    def _description(self) -> bytes:
        content = {
            "method": self.method,
            "features": FEATURES,
            "dispersion": asdict(self.dispersion),
            "categories": dict(self.trees.categories) if self.trees else {},
        }
        return json.dumps(content, sort_keys=True, indent=1).encode()


def forecast(model: DemandModel, panel: Panel, horizon_days: int) -> pd.DataFrame:
    """Forecast days 1..`horizon_days` after the panel's last day for each series that is still in the grid.

    Rows by sku, location_id and day; columns sku, location_id, forecast_date (datetime64), horizon_days and those
    of `DemandModel.predict`.
    """
    last = np.flatnonzero(panel.day == panel.day.max())
    origins = np.repeat(last, horizon_days)
    horizons = np.tile(np.arange(1, horizon_days + 1), len(last))
    key = {name: panel.keys[name].to_numpy()[panel.series[origins]] for name in ("sku", "location_id")}
    day = pd.DatetimeIndex((panel.day[origins] + horizons).astype("datetime64[D]"))
    keys = pd.DataFrame({**key, "forecast_date": day, "horizon_days": horizons})
    return keys.join(model.predict(pair_features(panel, origins, horizons)))
