"""A demand model as it is stored, loaded and asked: a mean, the dispersion around it, and how sums hang together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.demand.baselines import BASELINES, MOVING_AVERAGE, baseline_mean
from models.demand.dispersion import LEVELS, Dispersion
from models.demand.features import EXPECTED, FEATURES
from models.demand.judging import volume
from models.demand.sums import CATEGORY, DAYS_OF_A_SKU, STORE
from models.demand.trees import Trees

LIGHTGBM = "lightgbm"
MIXED = f"{LIGHTGBM}_and_{MOVING_AVERAGE}"
# Said instead of the method, or after it, where a rule has spoken.
ENDED, CLOSED, CAPPED = "ended", "closed", "_capped"
QUANTILES = tuple(f"units_p{round(level * 100)}" for level in LEVELS)
DESCRIPTION_FILE = "model.json"
TREES_FILE = "booster.txt"
# More than so many times what share and pace expect is no forecast but an error.
MOST_TIMES = 10.0
_INDEPENDENT = MappingProxyType(dict.fromkeys((DAYS_OF_A_SKU, CATEGORY, STORE), 0.3))


@dataclass(frozen=True)
class DemandModel:
    """`method` is `lightgbm` (with `trees`) or the name of a baseline (without); `correlations` are of `sums`.

    Beside trees the moving average has the weight that `average_weights` says for the SKU's volume class.
    """

    method: str
    dispersion: Dispersion
    trees: Trees | None = None
    correlations: Mapping[str, float] = field(default_factory=lambda: _INDEPENDENT)
    average_weights: Mapping[str, float] = field(default_factory=dict)

    def mean(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Units a day; 0 on a closed day and for a SKU that is no longer sold, and never beyond `MOST_TIMES`."""
        raw, cap = self._raw(features), self._cap(features)
        is_over = (features["is_ended"] > 0) | (features["is_closed"] > 0)
        return np.where(is_over, 0.0, np.minimum(np.maximum(raw, 0.0), cap))

    def methods(self, features: pd.DataFrame, mean: NDArray[np.float64]) -> NDArray[np.object_]:
        """Who spoke, row by row: the method, or the rule that overruled it."""
        is_capped = (mean >= self._cap(features)) & (mean > 0)
        method = np.where(self._weight(features) > 0, MIXED, self.method).astype(object)
        spoken = np.where(is_capped, method + CAPPED, method)
        spoken[(features["is_closed"] > 0).to_numpy()] = CLOSED
        spoken[(features["is_ended"] > 0).to_numpy()] = ENDED
        return spoken

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """`units_mean` and `units_p10`, `units_p50`, `units_p90` for each row of `pair_features`."""
        counts = self.dispersion.counts(self.mean(features))
        quantiles = {name: counts.quantile(level) for name, level in zip(QUANTILES, LEVELS, strict=True)}
        return pd.DataFrame({"units_mean": counts.mean, **quantiles})

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
        method, correlations = description["method"], description["correlations"]
        if method in BASELINES:
            return cls(method, dispersion, None, correlations)
        categories = {name: tuple(values) for name, values in description["categories"].items()}
        trees = Trees(files[TREES_FILE].decode(), categories)
        return cls(method, dispersion, trees, correlations, description.get("average_weights", {}))

    def _raw(self, features: pd.DataFrame) -> NDArray[np.float64]:
        if not self.trees:
            return baseline_mean(self.method, features)
        learned, weight = self.trees.predict(features), self._weight(features)
        return np.asarray((1 - weight) * learned + weight * baseline_mean(MOVING_AVERAGE, features), np.float64)

    def _weight(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Of the moving average beside the trees."""
        classes = pd.Series(volume(features["mean_28d"]))
        return np.asarray(classes.map(dict(self.average_weights)).fillna(0.0), np.float64)

    @staticmethod
    def _cap(features: pd.DataFrame) -> NDArray[np.float64]:
        return MOST_TIMES * features[EXPECTED].to_numpy(np.float64)

    def _description(self) -> bytes:
        content = {
            "method": self.method,
            "features": FEATURES,
            "dispersion": asdict(self.dispersion),
            "correlations": dict(self.correlations),
            "average_weights": dict(self.average_weights),
            "categories": dict(self.trees.categories) if self.trees else {},
        }
        return json.dumps(content, sort_keys=True, indent=1).encode()
