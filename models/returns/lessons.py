"""What lines of any age teach: each at its order and once more at a drawn age, with what it has shown since.

A line whose window is still open has shown a part of its returns. A return that was asked for is a whole one; none so
far is none of only a part of a line. Where a chance p was left at a row's age, of which a share g would have shown by
now, the row weighs 1 if the line came back and g (1 - p) / (1 - p g) if it has not: as g of a line, p of whose weight,
in the mean, is that of returns, as of a line whose window has closed (inverse probability weights as in Robins and
Finkelstein 2000, Correcting for noncompliance and dependent censoring, scaled to what each line tells).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.returns.lines import Lines
from models.returns.rates import Rates
from models.returns.rows import Rows, at_drawn_age, at_order, joined

Floats = NDArray[np.float64]
# A line that has shown less of what it will is left out, whether it came back or not.
_LEAST_SHOWN = 0.05
MOST_TWICE = 500_000


@dataclass(frozen=True)
class Lessons:
    """Rows, whether each line came back by the last day known, and of how much of a line that tells."""

    rows: Rows
    happened: Floats
    weight: Floats


def closed(lines: Lines, which: NDArray[np.bool_], window_days: int, seed: int) -> Lessons:
    """Lines whose window has closed: each row is a whole line."""
    rows = joined(at_order(lines, which, window_days), at_drawn_age(lines, which, window_days, seed))
    return Lessons(rows, rows.happened(), np.ones(len(rows)))


def of_any_age(
    lines: Lines, which: NDArray[np.bool_], rates: Rates, chance: Callable[[Rows], Floats], seed: int
) -> Lessons:
    """Lines as of the last day of `lines`; `chance` states what was left of a row's chance at its age.

    Of very many lines each is taken once, at its order or at the drawn age.
    """
    ordered, later = which, which
    if which.sum() > MOST_TWICE:
        is_first = np.random.default_rng(seed).random(len(which)) < 1 / 2
        ordered, later = which & is_first, which & ~is_first
    rows = joined(at_order(lines, ordered, rates.window_days), at_drawn_age(lines, later, rates.window_days, seed))
    shown = share_shown(rows, rates)
    rows, shown = rows.chosen(shown >= _LEAST_SHOWN), shown[shown >= _LEAST_SHOWN]
    happened, weight = rows.happened(), np.ones(len(rows))
    waiting = np.flatnonzero((happened == 0) & (shown < 1))
    left = chance(rows.chosen(waiting))
    weight[waiting] = shown[waiting] * (1 - left) / (1 - left * shown[waiting])
    return Lessons(rows, happened, weight)


def thinned(which: NDArray[np.bool_], most: int, seed: int) -> NDArray[np.bool_]:
    """At most so many of the lines, drawn evenly."""
    index = np.flatnonzero(which)
    if len(index) <= most:
        return which
    kept = np.zeros(len(which), bool)
    kept[np.random.default_rng(seed).choice(index, most, replace=False)] = True
    return kept


def share_shown(rows: Rows, rates: Rates) -> Floats:
    """Of all that was still to come at each row's age the share that would have shown by the last day known."""
    shown = np.asarray(rates.shown)
    seen = np.minimum(rows.lines.last_day - rows.lines.day[rows.index], rates.window_days)
    to_come = np.maximum(shown[seen] - shown[rows.age], 0) / np.maximum(1 - shown[rows.age], 1e-9)
    return np.where(seen < rates.window_days, to_come, 1.0)
