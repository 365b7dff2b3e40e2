"""A model of abandoned carts as it is stored, loaded and asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.abandonment.carts import Floats
from models.abandonment.features import FEATURES, Inputs, matrix
from models.abandonment.learning import STAGES, Grown, stage_of
from models.abandonment.reasons import reasons, rule_reason
from models.abandonment.regression import Regression
from models.abandonment.rule import Rule
from models.abandonment.uplift import ASSUMED, Effect
from models.calibration import Calibration
from models.tables import Integers
from models.trees import Trees

LIGHTGBM, LOGISTIC, RECENCY_RULE = "lightgbm", "logistic_regression", "recency_rule"
DESCRIPTION_FILE, TREES_FILE, EFFECT_FILE = "model.json", "booster_{stage}.txt", "effect_{number}.txt"
# Rows explained at a time, which bounds the memory that contributions take.
_AT_ONCE = 100_000


@dataclass(frozen=True)
class CartModel:
    """`method` says who speaks: what was grown by stage, or the rule."""

    method: str
    rule: Rule
    stages: Mapping[str, Grown] = field(default_factory=dict)
    effect: Effect | None = None

    def probability(self, inputs: Inputs) -> Floats:
        """That the cart is bought within the horizon after the decision, if nobody is written to."""
        stated = self.rule.probability(inputs)
        for index, made, grown in self._by_stage(inputs):
            stated[index] = grown.probability(made)
        return stated

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """The description's outputs for each row of `features.raw_frame`."""
        return self.told(Inputs.of_frame(features))

    def told(self, inputs: Inputs) -> pd.DataFrame:
        chance = self.probability(inputs)
        columns: dict[str, object] = {
            "purchase_probability": chance,
            "message_effect": self.message_effect(inputs, chance),
            "effect_method": self.effect.method if self.effect else ASSUMED,
        }
        return pd.DataFrame(columns | self._reasons(inputs), index=range(inputs.size))

    def message_effect(self, inputs: Inputs, chance: Floats) -> Floats:
        """What a message adds to the chance of carts left behind; NaN where no experiment tells."""
        if not self.effect:
            return np.full(inputs.size, np.nan)
        return self.effect(matrix(inputs, self.stages["left"].categories), chance)

    def _by_stage(self, inputs: Inputs) -> Iterator[tuple[Integers, NDArray[np.float32], Grown]]:
        """Of each stage its rows, their matrix and who speaks of them."""
        stage = stage_of(inputs.text("moment"))
        for name, grown in self.stages.items():
            index = np.flatnonzero(stage == name)
            if len(index):
                yield index, matrix(inputs.chosen(index), grown.categories), grown

    def contributions(self, inputs: Inputs) -> Floats:
        """What each feature adds to the log-odds before calibration, shape (rows, features); 0 for the rule."""
        moved = np.zeros((inputs.size, len(FEATURES)))
        for index, made, grown in self._by_stage(inputs):
            for at in range(0, len(made), _AT_ONCE):
                moved[index[at : at + _AT_ONCE]] = grown.contributions(made[at : at + _AT_ONCE])
        return moved

    def _reasons(self, inputs: Inputs) -> dict[str, NDArray[np.object_]]:
        return reasons(inputs, self.contributions(inputs)) if self.stages else rule_reason(inputs)

    @property
    def version(self) -> str:
        """First 12 hex digits of the SHA-256 of all that predicts."""
        grown = "".join(stage.trees.grown for stage in self.stages.values() if stage.trees)
        grown += "".join(trees.grown for trees in (self.effect.trees if self.effect else ()))
        return hashlib.sha256(self._description() + grown.encode()).hexdigest()[:12]

    def files(self) -> dict[str, bytes]:
        """The model as files; `from_files` reads them back."""
        texts = {name: grown.trees.text for name, grown in self.stages.items() if grown.trees}
        trees = {TREES_FILE.format(stage=name): text.encode() for name, text in texts.items()}
        effects = self.effect.trees if self.effect else ()
        effect = {EFFECT_FILE.format(number=n): each.text.encode() for n, each in enumerate(effects)}
        return {DESCRIPTION_FILE: self._description(), **trees, **effect}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> CartModel:
        """Read what `files` wrote; give only bytes proven whole, LightGBM can crash on others.

        Raises `ValueError` when the model was made for other features than this code computes.
        """
        found = json.loads(files[DESCRIPTION_FILE])
        if found["features"] != list(FEATURES):
            raise ValueError("the model was trained on other features than this version of Nightshift computes")
        stages = {
            name: _grown(found["stages"][name], files.get(TREES_FILE.format(stage=name)))
            for name in STAGES
            if name in found["stages"]
        }
        effect = found["effect"] and _effect(found["effect"], stages["left"].categories, files)
        return cls(found["method"], Rule(tuple(map(tuple, found["rule"]["rates"]))), stages, effect)

    def _description(self) -> bytes:
        content = {
            "method": self.method,
            "features": FEATURES,
            "rule": asdict(self.rule),
            "effect": _numbers_of(self.effect) if self.effect else None,
            "stages": {
                name: {
                    "categories": dict(grown.categories),
                    "share": grown.share,
                    "calibration": asdict(grown.calibration),
                    "regression": asdict(grown.regression),
                }
                for name, grown in self.stages.items()
            },
        }
        return json.dumps(content, sort_keys=True, indent=1).encode()


def _grown(stored: Mapping[str, Any], trees: bytes | None) -> Grown:
    kept, regression = stored["calibration"], stored["regression"]
    categories = {name: tuple(values) for name, values in stored["categories"].items()}
    return Grown(
        categories,
        Trees(trees.decode(), categories) if trees else None,
        Regression(
            tuple(regression["means"]),
            tuple(regression["scales"]),
            {name: tuple(bounds) for name, bounds in regression["edges"].items()},
            regression["sizes"],
            tuple(regression["weights"]),
            tuple(regression["usual"]),
        ),
        stored["share"],
        Calibration(kept["kind"], tuple(kept["at"]), tuple(kept["to"])),
    )


def _numbers_of(effect: Effect) -> dict[str, object]:
    numbers = {name: getattr(effect, name) for name in ("method", "lift", "slope", "propensity")}
    return {**numbers, "trees": len(effect.trees)}


def _effect(stored: Mapping[str, Any], categories: Mapping[str, tuple[str, ...]], files: Mapping[str, bytes]) -> Effect:
    numbers = dict(stored)
    texts = [files[EFFECT_FILE.format(number=n)].decode() for n in range(numbers.pop("trees"))]
    return Effect(**numbers, trees=tuple(Trees(text, categories) for text in texts))
