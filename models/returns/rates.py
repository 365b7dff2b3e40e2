"""How often things come back: counts of the past, completed for young lines and drawn towards what they are part of.

A line that is younger than the return window has shown a part of its returns, and counts as that part of a line. A
rate of few lines is drawn towards that of its parent (SKU, style, category, store), as in the beta-binomial model with
the parent's rate as prior mean and `strength` lines as its weight (Gelman et al. 2013, Bayesian Data Analysis, 5.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Column = Callable[[str], NDArray[np.float32]]

# Child and parent; a SKU without style or category has the store's rate for their prior.
PARENTS = {"category": "store", "brand": "store", "style": "category", "sku": "style", "customer": "store"}
STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0)
USUAL_STRENGTH = 30.0
# Cause, level whose trait it is.
CAUSES = (("fit", "style"), ("quality", "sku"), ("mind", "customer"))
_FIRST_RATE, _FIRST_LINES = 0.1, 10.0


@dataclass(frozen=True)
class Rates:
    """`shown` is the share of its returns that a line has shown by each age in days, 0 to the return window.

    `strengths` are by level, in lines.
    """

    shown: tuple[float, ...]
    strengths: Mapping[str, float]

    @property
    def window_days(self) -> int:
        return len(self.shown) - 1

    def exposure(self, column: Column, level: str) -> Floats:
        """Lines of the past, each as the part of its returns that it has shown."""
        ages = [0, *ages_of(self.window_days), self.window_days + 1]
        parts = [float(np.mean(self.shown[a:b])) for a, b in pairwise(ages)]
        names = ("lines", "lines_6th", "lines_3rd", "lines_2_3rds")
        older = [column(f"{level}_{name}").astype(np.float64) for name in names]
        counts = [first - second for first, second in pairwise(older)] + [older[-1]]
        # Of the oldest lines nearly all are past the window.
        return np.asarray(sum(part * count for part, count in zip([*parts[:3], 1.0], counts, strict=True)), np.float64)

    def exposures(self, column: Column) -> dict[str, Floats]:
        return {level: self.exposure(column, level) for level in ("store", *PARENTS)}

    def levels(self, column: Column, exposures: Mapping[str, Floats]) -> dict[str, Floats]:
        """The rate of each level, of all causes together."""
        found = {"store": _store(column("store_returned"), exposures["store"])}
        for level, parent in PARENTS.items():
            returned = column(f"{level}_returned")
            found[level] = drawn(returned, exposures[level], found[parent], self.strengths[level])
        return found

    def causes(self, column: Column, exposures: Mapping[str, Floats]) -> dict[str, Floats]:
        """The rate of each cause at the level whose trait it is, and of all others at the SKU's."""
        found = {}
        for cause, level in (*CAUSES, ("other", "sku")):
            rate = _store(_returned(column, "store", cause), exposures["store"])
            chain = ("category", "style", "sku") if level in ("style", "sku") else (level,)
            for step in chain[: chain.index(level) + 1]:
                rate = drawn(_returned(column, step, cause), exposures[step], rate, self.strengths[step])
            found[cause] = rate
        return found


def _returned(column: Column, level: str, cause: str) -> NDArray[np.float32]:
    if cause != "other":
        return column(f"{level}_returned_{cause}")
    named = np.sum([column(f"{level}_returned_{name}") for name, _ in CAUSES], axis=0)
    return np.asarray(np.maximum(column(f"{level}_returned") - named, 0), np.float32)


def ages_of(window_days: int) -> tuple[int, int, int]:
    """Ages at which the feature tables count lines again: a sixth, a third and two thirds of the window."""
    return (window_days + 5) // 6, (window_days + 2) // 3, (2 * window_days + 2) // 3


def drawn(returned: NDArray[np.float32], lines: Floats, parent: Floats, strength: float) -> Floats:
    return np.asarray((returned + strength * parent) / (lines + strength), np.float64)


def remaining(rate: Floats, shown: Floats) -> Floats:
    """The chance that is left of a rate when a share of all returns would have shown by now and this one has not."""
    return np.asarray(rate * (1 - shown) / np.maximum(1 - rate * shown, 1e-9), np.float64)


def _store(returned: NDArray[np.float32], lines: Floats) -> Floats:
    return np.asarray((returned + _FIRST_RATE * _FIRST_LINES) / (lines + _FIRST_LINES), np.float64)


def fit_rates(delays: NDArray[np.int64], window_days: int, column: Column, happened: Floats) -> Rates:
    """Learn from delays in days of mature lines' returns, and from lines at their order with what came of them.

    Of each level the strength is taken under which what happened was most likely.
    """
    counts = np.bincount(delays[(delays >= 0) & (delays <= window_days)], minlength=window_days + 1) + 1e-3
    shown = tuple(float(share) for share in np.cumsum(counts) / counts.sum())
    strengths = dict.fromkeys(PARENTS, USUAL_STRENGTH)
    rates = Rates(shown, strengths)
    exposures = rates.exposures(column)
    found = {"store": _store(column("store_returned"), exposures["store"])}
    for level, parent in PARENTS.items():
        tried = [drawn(column(f"{level}_returned"), exposures[level], found[parent], each) for each in STRENGTHS]
        best = int(np.argmin([_log_loss(rate, happened) for rate in tried]))
        strengths[level], found[level] = STRENGTHS[best], tried[best]
    return rates


def _log_loss(rate: Floats, happened: Floats) -> float:
    if not len(happened):
        return 0.0
    rate = np.clip(rate, 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(happened > 0, np.log(rate), np.log1p(-rate))))
