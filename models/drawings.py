"""What a model's card draws, as numbers: how chances came true, whom they rank first, and plots of a model's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Points = Sequence[tuple[float, float]]
_BINS, _STEPS, _MOST_BARS = 10, 20, 15


@dataclass(frozen=True)
class Lines:
    """Named lines of points; `along` and `up` say what the axes are, a share where `is_share` of (x, y) says so.

    `reference` is drawn faintly behind: what it would look like if all were well, or if nothing had been learned.
    """

    title: str
    caption: str
    along: str
    up: str
    lines: Mapping[str, Points]
    is_share: tuple[bool, bool] = (True, True)
    reference: Points = ()


@dataclass(frozen=True)
class Bars:
    """Shares of a whole by name, the largest first."""

    title: str
    caption: str
    bars: Mapping[str, float]


Drawing = Lines | Bars


def reliability(stated: Floats, happened: Floats) -> Points:
    """Mean chance stated and the share that happened, of ten groups of equally many cases in order of the chance.

    Murphy and Winkler 1977, Reliability of subjective probability forecasts of precipitation and temperature.
    """
    order = np.argsort(stated, kind="stable")
    groups = [group for group in np.array_split(order, _BINS) if len(group)]
    return [(float(stated[group].mean()), float(happened[group].mean())) for group in groups]


def lift(stated: Floats, happened: Floats) -> Points:
    """How many times as often as in all it happened among the share of cases that were stated likeliest."""
    if not happened.any():
        return []
    so_far = np.cumsum(happened[np.argsort(-stated, kind="stable")])
    counts = np.unique(np.ceil(np.arange(1, _STEPS + 1) / _STEPS * len(stated)).astype(np.int64))
    return [(float(n / len(stated)), float(so_far[n - 1] / n / happened.mean())) for n in counts]


def importance(features: Sequence[str], contributions: Floats) -> Bars:
    """The share of each feature in all that moves the log-odds; `contributions` has shape (rows, features)."""
    moved = np.abs(contributions).mean(axis=0)
    share = moved / (moved.sum() or 1.0)
    first = [int(place) for place in np.argsort(-share, kind="stable")[:_MOST_BARS] if share[place] > 0]
    return Bars(
        "Importance",
        "Share of each feature in the mean absolute contribution to the log-odds, on the newest decisions.",
        {features[place]: float(share[place]) for place in first},
    )


def evenly(index: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the rows, evenly spread."""
    return index if len(index) <= most else index[np.linspace(0, len(index) - 1, most).astype(np.int64)]
