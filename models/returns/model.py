"""A model of returns as it is stored, loaded and asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from models.calibration import IDENTITY, Calibration
from models.returns.features import FEATURES, Inputs, base_rate, matrix
from models.returns.rates import Rates
from models.returns.reasons import base_reason, reasons
from models.returns.regression import Regression
from models.trees import Trees

Floats = NDArray[np.float64]
LIGHTGBM, LOGISTIC, SKU_RATE = "lightgbm", "logistic_regression", "sku_rate"
DESCRIPTION_FILE, TREES_FILE = "model.json", "booster.txt"
# Rows explained at a time, which bounds the memory that contributions take.
_AT_ONCE = 100_000


@dataclass(frozen=True)
class ReturnModel:
    """`method` says who speaks: `trees`, whose log-odds have a `share` beside those of a `regression`, that alone, or
    neither: the SKU's rate.

    `part` is the mean part of a line that comes back, of lines of one unit and of several.
    """

    method: str
    rates: Rates
    part: tuple[float, float]
    calibration: Calibration = IDENTITY
    trees: Trees | None = None
    regression: Regression | None = None
    share: float = 0.0
    categories: Mapping[str, tuple[str, ...]] | None = None

    def probability(self, inputs: Inputs) -> Floats:
        """That a return is asked for until the window ends, given that none was by the row's age."""
        if self.regression is None or self.categories is None:
            return base_rate(inputs, self.rates, "sku")
        made = matrix(inputs, self.rates, self.categories)
        odds = self.regression.log_odds(made)
        if self.trees:
            odds = self.share * self.trees.log_odds(made) + (1 - self.share) * odds
        return self.calibration(np.asarray(expit(odds), np.float64))

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """`return_probability`, `returned_part` and three reasons for each row of `features.raw_frame`."""
        return self.told(Inputs.of_frame(features))

    def told(self, inputs: Inputs) -> pd.DataFrame:
        several = inputs.column("units_ordered") > 1
        columns: dict[str, object] = {
            "return_probability": self.probability(inputs),
            "returned_part": np.where(several, self.part[1], self.part[0]),
        }
        return pd.DataFrame(columns | self._reasons(inputs))

    def contributions(self, inputs: Inputs) -> Floats:
        """What each feature adds to the log-odds before calibration, shape (rows, features); 0 for the SKU's rate."""
        if self.regression is None or self.categories is None:
            return np.zeros((inputs.size, len(FEATURES)))
        made = matrix(inputs, self.rates, self.categories)
        moved = (1 - self.share) * self.regression.contributions(made)
        if self.trees:
            for at in range(0, len(made), _AT_ONCE):
                moved[at : at + _AT_ONCE] += self.share * self.trees.contributions(made[at : at + _AT_ONCE])
        return moved

    def _reasons(self, inputs: Inputs) -> dict[str, NDArray[np.object_]]:
        return reasons(inputs, self.contributions(inputs)) if self.regression else base_reason(inputs)

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
    def from_files(cls, files: Mapping[str, bytes]) -> ReturnModel:
        """Read what `files` wrote; give only bytes proven whole, LightGBM can crash on others.

        Raises `ValueError` when the model was made for other features than this code computes.
        """
        found = json.loads(files[DESCRIPTION_FILE])
        if found["features"] != list(FEATURES):
            raise ValueError("the model was trained on other features than this version of Nightshift computes")
        stored = found["calibration"]
        categories = {name: tuple(values) for name, values in found["categories"].items()}
        regression = found["regression"] and {name: tuple(values) for name, values in found["regression"].items()}
        return cls(
            found["method"],
            Rates(tuple(found["rates"]["shown"]), found["rates"]["strengths"]),
            (found["part"][0], found["part"][1]),
            Calibration(stored["kind"], tuple(stored["at"]), tuple(stored["to"])),
            Trees(files[TREES_FILE].decode(), categories) if found["method"] == LIGHTGBM else None,
            Regression(**regression) if regression else None,
            found["share"],
            categories,
        )

    def _description(self) -> bytes:
        content = {
            "method": self.method,
            "features": FEATURES,
            "rates": {"shown": self.rates.shown, "strengths": dict(self.rates.strengths)},
            "part": self.part,
            "calibration": asdict(self.calibration),
            "share": self.share,
            "categories": dict(self.categories or {}),
            "regression": asdict(self.regression) if self.regression else None,
        }
        return json.dumps(content, sort_keys=True, indent=1).encode()
