"""The rule that needs no learning but counting: how many are bought, by age of the cart and by the last order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.abandonment.carts import ADDED, NIGHT
from models.abandonment.features import Inputs

Floats = NDArray[np.float64]
# Days since the customer's last order that part the carts; before them: unknown owner, no order yet.
_RECENCY = (30.5, 90.5)
RECENCIES = 2 + len(_RECENCY) + 1
AGES = 9
# Carts that stand for what is not known: a cell of few is drawn towards its age.
_WEIGHT, _FEWEST = 50.0, 20.0


@dataclass(frozen=True)
class Rule:
    """The share that is bought, by age (just added, idle, nights) and recency of the last order."""

    rates: tuple[tuple[float, ...], ...]

    def probability(self, inputs: Inputs) -> Floats:
        age, recency = cells(inputs)
        return np.asarray(np.asarray(self.rates)[age, recency], np.float64)


def fit_rule(inputs: Inputs, happened: Floats) -> Rule:
    """Count what was bought; where nothing is known a cart is bought as often as all are."""
    age, recency = cells(inputs)
    shape = (AGES, RECENCIES)
    place = age * RECENCIES + recency
    bought = np.bincount(place, happened, minlength=AGES * RECENCIES).reshape(shape)
    count = np.bincount(place, minlength=AGES * RECENCIES).reshape(shape).astype(np.float64)
    all_of_them = (happened.sum() + 1) / (len(happened) + _FEWEST)
    of_age = (bought.sum(axis=1) + _WEIGHT * all_of_them) / (count.sum(axis=1) + _WEIGHT)
    rates = (bought + _WEIGHT * of_age[:, None]) / (count + _WEIGHT)
    return Rule(tuple(tuple(row) for row in np.round(rates, 8).tolist()))


def cells(inputs: Inputs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Age and recency of each row, numbered."""
    moment = inputs.text("moment")
    nights = np.nan_to_num(inputs.column("nights_count")).astype(np.int64)
    age = np.select([moment == ADDED, moment == NIGHT], [0, np.minimum(2 + nights, AGES - 1)], 1)
    since = inputs.column("order_recency_days").astype(np.float64)
    is_known = inputs.column("is_known") > 0
    recency = np.where(np.isnan(since), 1, 2 + np.searchsorted(_RECENCY, np.nan_to_num(since)))
    return age.astype(np.int64), np.where(is_known, recency, 0).astype(np.int64)
