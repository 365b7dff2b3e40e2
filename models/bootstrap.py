"""How sure a figure is: a bootstrap over blocks of time, shared by the candidates that are compared.

Days near each other err together, so whole blocks of days are drawn, not cases (Künsch 1989, The jackknife and the
bootstrap for general stationary observations). Candidates are compared on the same draws, case by case of the same
decisions, so that what is hard for all of them cancels. Intervals are Student's with the bootstrap's standard error:
with a dozen blocks the percentiles of the draws are too narrow (Efron and Tibshirani 1993, An introduction to the
bootstrap, 12.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from models.description import Better

Floats = NDArray[np.float64]
DRAWS = 400
_SEED = 11


@dataclass(frozen=True)
class Interval:
    """An estimate between its bounds; bounds are infinite where one block says nothing about noise."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Sums:
    """A metric's parts and wholes by group and block."""

    part: Floats
    whole: Floats
    is_root: bool

    def values(self) -> Floats:
        """The metric with every block counted once, then for each draw of blocks; NaN where nothing counts."""
        weights = _weights(self.part.shape[1])
        whole = weights @ self.whole.T
        ratio = np.divide(weights @ self.part.T, whole, out=np.zeros(whole.shape), where=whole > 0)
        total = (np.sqrt(ratio) if self.is_root else ratio).sum(axis=1)
        number = (whole > 0).sum(axis=1)
        return np.asarray(np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0), np.float64)


def blocks(at: pd.Series, block_days: int, last: np.datetime64) -> NDArray[np.int64]:
    """The block of each day, numbered from 0, counted back from `last` so that the newest block is a whole one."""
    back = (last - at.to_numpy("datetime64[D]")).astype(np.int64) // block_days
    return np.unique(back, return_inverse=True)[1].astype(np.int64)


def sums(part: Floats, whole: Floats, group: NDArray[np.int64], block: NDArray[np.int64], is_root: bool) -> Sums:
    """Parts and wholes of judged cases, whose `group` and `block` are numbered from 0."""
    shape = (int(group.max(initial=0)) + 1, int(block.max(initial=0)) + 1)
    cell = group * shape[1] + block
    in_cell = [np.bincount(cell, each, minlength=shape[0] * shape[1]).astype(np.float64) for each in (part, whole)]
    return Sums(in_cell[0].reshape(shape), in_cell[1].reshape(shape), is_root)


def interval(values: Floats, blocks: int, confidence: float) -> Interval:
    """A figure from its `Sums.values`, or what was made of several over the same blocks, with two-sided bounds."""
    value = float(values[0])
    if blocks < 2:
        return Interval(value, -np.inf, np.inf)
    # The spread of a resample of n is that of n - 1 of n.
    error = float(np.nanstd(values[1:], ddof=1) * np.sqrt(blocks / (blocks - 1)))
    reach = float(stats.t.ppf((1 + confidence) / 2, blocks - 1)) * error
    return Interval(value, value - reach, value + reach)


def gain(figures: Floats, others: Floats, better: Better) -> Floats:
    """How much better figures are than others, as a share of the others: what all weeks share cancels in it."""
    if better == "near zero":
        figures, others = np.abs(figures), np.abs(others)
    less = figures - others if better == "higher" else others - figures
    share = np.full(np.shape(others), np.nan)
    return np.asarray(np.divide(less, np.abs(others), out=share, where=others != 0), np.float64)


@cache
def _weights(count: int) -> Floats:
    """How often each of `count` blocks counts: once each in the first row, as drawn in the others."""
    drawn = np.random.default_rng(_SEED).multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return np.concatenate([np.ones((1, count)), drawn.astype(np.float64)])
