"""The pace of departments, followed day by day through SKUs that come, go and run out of stock.

A department's level is its units over what the shares of the SKUs that could sell add up to, and a SKU's share is its
units over that level. So a catalog that grows, or a fast SKU that is out of stock, is no change of pace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Days after which a sale counts half.
HALF_LIVES = {"short": 14.0, "middle": 56.0, "long": 365.0}
# Units that the share of the category stands for beside a SKU's own.
PRIOR_UNITS = 0.5
CATEGORY_UNITS = 5.0
# A department's day counts as this many SKUs of the whole location more.
_SKUS_OF_ALL = 10.0
_LEAST_SHARE = 1e-9


@dataclass(frozen=True)
class Groups:
    """The department, category and location of each series, as numbers."""

    department: Integers
    category: Integers
    location: Integers


class _Faded:
    """Units, and those of an average SKU on the same days, those of a half-life ago counting half."""

    def __init__(self, number: int) -> None:
        self.own, self.usual = np.zeros(number), np.zeros(number)
        self._kept = 0.5 ** (1 / HALF_LIVES["middle"])

    def add(self, own: Floats, usual: Floats) -> None:
        self.own, self.usual = self._kept * self.own + own, self._kept * self.usual + usual


def followed(units: NDArray[np.float32], stocked: NDArray[np.float32], groups: Groups) -> Floats:
    """The level by department and day, from units and the part of the day in stock, both by day and series."""
    department, category = groups.department, groups.category
    departments, categories = (int(each.max(initial=0)) + 1 for each in (department, category))
    location = np.zeros(departments, np.int64)
    location[department] = groups.location
    skus, kinds = _Faded(len(department)), _Faded(categories)
    level = np.zeros((departments, len(units)))
    for day, (sold, part) in enumerate(zip(units, stocked, strict=True)):
        prior = ((kinds.own + CATEGORY_UNITS) / (kinds.usual + CATEGORY_UNITS))[category]
        share = part * (skus.own + PRIOR_UNITS * prior) / (skus.usual + PRIOR_UNITS)
        total, shares = (_added(each, department, departments) for each in (sold, share))
        everywhere = np.bincount(location, weights=total) / np.fmax(np.bincount(location, shares), _LEAST_SHARE)
        level[:, day] = (total + _SKUS_OF_ALL * everywhere[location]) / (shares + _SKUS_OF_ALL)
        usual = part * level[department, day]
        skus.add(sold, usual)
        kinds.add(_added(sold, category, categories), _added(usual, category, categories))
    return level


def _added(values: NDArray[Any], group: Integers, size: int) -> Floats:
    return np.bincount(group, weights=values, minlength=size).astype(np.float64)
