"""Judged cases with planted quality: what a gate sees, without a model behind it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.description import Description, Export, Fallback, Gate, Metric
from models.trial import Trial

SERIES, DAYS, WEEK = 40, 112, 7
LAST = np.datetime64("2025-04-22")
DESCRIPTION = Description(
    name="planted",
    purpose="planted",
    tables=(),
    label="planted",
    matures_after=28,
    decided_at="planted",
    challenger="challenger",
    baselines=("baseline",),
    metrics=(Metric("loss", "mean loss"),),
    money=Metric("loss", "mean loss"),
    slices=("group",),
    claims=("p90",),
    fallback=Fallback("baseline", 90),
    exports=(Export("planted", 1, ("as_of",)),),
    key=(),
    outputs=(),
    limits=(),
    fewest_days=28,
    gate=Gate(),
)


class World:
    """Days that are harder or easier for everyone, and a noise of each candidate that lasts for a week."""

    def __init__(self, seed: int, own_noise: float = 0.05) -> None:
        self.rng = np.random.default_rng(seed)
        self.hard = self.rng.gamma(2, 0.5, (SERIES, DAYS)) * np.repeat(self.rng.gamma(8, 1 / 8, DAYS // WEEK), WEEK)
        self.own_noise = own_noise

    def candidate(self, quality: float = 1.0, on_group: float = 1.0, off_by: float = 0.0) -> pd.DataFrame:
        """`quality` multiplies every loss, `on_group` those of group 0 besides; P90 covers 0.9 plus `off_by`."""
        own = self.rng.normal(0, self.own_noise, DAYS // WEEK).repeat(WEEK) + self.rng.normal(0, 0.3, (SERIES, DAYS))
        group = np.arange(SERIES) % 5
        loss = self.hard * np.exp(own) * quality * np.where(group == 0, on_group, 1.0)[:, None]
        happened = self.rng.random((SERIES, DAYS)) < 0.9 + off_by
        return pd.DataFrame(
            {
                "at": np.tile(LAST - np.arange(DAYS), SERIES),
                "group": np.repeat(group, DAYS),
                "loss.part": loss.reshape(-1),
                "loss.whole": 1.0,
                "p90.gap": happened.reshape(-1) - 0.9,
            }
        )


def trial(**candidates: pd.DataFrame) -> Trial:
    return Trial(DESCRIPTION, candidates)
