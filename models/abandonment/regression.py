"""The plainer rival: a logistic regression on the same features, those that are no straight line by steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from models import logistic
from models.abandonment.carts import CATEGORIES
from models.abandonment.features import FEATURES

Floats = NDArray[np.float64]
_MOST_ROWS, _PENALTY, _STEPS = 120_000, 3e-3, 16
# Rows asked at a time, which bounds the memory that it takes.
_AT_ONCE = 120_000
_LOGS = ("sku_count", "cart_units", "lead_unit_price", "lead_price_to_usual_pct", "lead_price_to_first_pct")
_LOGS_PLUS_1 = ("cart_amount", "earlier_order_count", "past_cart_count", "view_count", "visit_seconds", "idle_hours")
_MANY = 20_000
_STEPPED = ("visit_hour", "lead_units_on_hand", "most_units_on_hand", "cart_amount")
_STOCK = (0.5, 3.5, 10.5, 30.5)


@dataclass(frozen=True)
class Regression:
    """Weights of standardised numbers, of what is unknown, and of steps and categories; the first is the constant.

    `edges` are the bounds of the steps by feature, `sizes` the number of values by category, `usual` the mean of each
    term where it was learned.
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]
    edges: Mapping[str, tuple[float, ...]]
    sizes: Mapping[str, int]
    weights: tuple[float, ...]
    usual: tuple[float, ...]

    def log_odds(self, made: NDArray[np.float32]) -> Floats:
        found = np.empty(len(made))
        for at in range(0, len(made), _AT_ONCE):
            found[at : at + _AT_ONCE] = self._log_odds(made[at : at + _AT_ONCE])
        return found

    def _log_odds(self, made: NDArray[np.float32]) -> Floats:
        weights = np.asarray(self.weights)
        standard, unknown = self._standard(made)
        count = standard.shape[1]
        found = np.asarray(
            weights[0] + standard @ weights[1 : count + 1] + unknown @ weights[count + 1 : 2 * count + 1]
        )
        at = 2 * count + 1
        for code, size in self._codes(made):
            of_code = np.append(weights[at : at + size], 0.0)
            found += of_code[code]
            at += size
        return found

    def contributions(self, made: NDArray[np.float32]) -> Floats:
        """What each feature adds to the log-odds against the usual, shape (rows, features)."""
        weighted = (self._terms(made) - np.asarray(self.usual))[:, 1:] * np.asarray(self.weights)[1:]
        owner, found = self._owners(), np.zeros((len(made), len(FEATURES)))
        for place in range(len(FEATURES)):
            found[:, place] = weighted[:, owner == place].sum(axis=1)
        return found

    def _owners(self) -> NDArray[np.int64]:
        """The feature that each term but the constant belongs to."""
        numbers = list(_NUMBERS)
        steps = [_PLACE[name] for name in _STEPPED for _ in range(len(self.edges[name]) + 1)]
        values = [_PLACE[name] for name in CATEGORIES for _ in range(self.sizes[name])]
        return np.array([*numbers, *numbers, *steps, *values], np.int64)

    def _terms(self, made: NDArray[np.float32]) -> Floats:
        """A constant, each number standardised (0 where unknown, at most 5 either way), whether it is unknown, then a
        column a step and a column a value."""
        standard, unknown = self._standard(made)
        count = standard.shape[1]
        terms = np.empty((len(made), 1 + len(self._owners())))
        terms[:, 0], terms[:, 1 : count + 1], terms[:, count + 1 : 2 * count + 1] = 1, standard, unknown
        at = 2 * count + 1
        for code, size in self._codes(made):
            terms[:, at : at + size] = code[:, None] == np.arange(size)
            at += size
        return terms

    def _standard(self, made: NDArray[np.float32]) -> tuple[Floats, NDArray[np.bool_]]:
        plain = _plain(made)
        unknown = ~np.isfinite(plain)
        standard = (np.where(unknown, 0, plain) - np.asarray(self.means)) / np.asarray(self.scales)
        return np.where(unknown, 0, np.clip(standard, -5, 5)), unknown

    def _codes(self, made: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.int64], int]]:
        """Of each feature by steps or values the number of each row's, -1 for none, and how many there are."""
        for name in _STEPPED:
            yield np.searchsorted(self.edges[name], made[:, _PLACE[name]], side="right"), len(self.edges[name]) + 1
        for name in CATEGORIES:
            yield np.nan_to_num(made[:, _PLACE[name]], nan=-1).astype(np.int64), self.sizes[name]


_PLACE = {name: place for place, name in enumerate(FEATURES)}
_NUMBERS = tuple(_PLACE[name] for name in FEATURES if name not in CATEGORIES)


def fit_regression(
    made: NDArray[np.float32], happened: Floats, categories: Mapping[str, tuple[str, ...]], seed: int
) -> Regression:
    """Weights that make what happened most likely, less a small penalty on their squares: terms may say the same.

    Where there are many rows an even sample is taken. What differs from machine to machine is rounded away.
    """
    if len(made) > _MOST_ROWS:
        kept = np.sort(np.random.default_rng(seed).choice(len(made), _MOST_ROWS, replace=False))
        made, happened = made[kept], happened[kept]
    plain = _plain(made)
    mean, scale = logistic.standard(plain, 1e-6)
    sizes = {name: len(values) for name, values in categories.items()}
    blank = Regression(_rounded(mean), _rounded(scale), _edges(made), sizes, (), ())
    terms = blank._terms(made)
    tells, found = _tells(terms), np.zeros(terms.shape[1])
    found[0] = logit(np.clip(happened.mean(), 0.001, 0.999))
    # How many are bought in all is not to be drawn towards a half.
    penalty = np.where(np.arange(int(tells.sum())) > 0, _PENALTY, 0.0)
    every = max(1, len(terms) // _MANY)
    found[tells] = logistic.fit(terms[:, tells], happened, penalty, found[tells], every)
    weights = tuple(np.round(found, 5).tolist())
    return Regression(blank.means, blank.scales, blank.edges, sizes, weights, _rounded(terms.mean(axis=0)))


def _tells(terms: Floats) -> NDArray[np.bool_]:
    """The constant and the terms that are not the same everywhere: most numbers are always known."""
    tells = np.asarray(terms.max(axis=0) > terms.min(axis=0))
    tells[0] = True
    return tells


def _edges(made: NDArray[np.float32]) -> dict[str, tuple[float, ...]]:
    """Hours each, stock by what shoppers may be told of it, and the value by equal shares of the carts."""
    value = made[:, _PLACE["cart_amount"]].astype(np.float64)
    bounds = np.unique(np.quantile(value, np.arange(1, _STEPS) / _STEPS)) if len(value) else np.zeros(0)
    return {
        "visit_hour": tuple(hour - 0.5 for hour in range(1, 24)),
        "lead_units_on_hand": _STOCK,
        "most_units_on_hand": _STOCK,
        "cart_amount": _rounded(bounds),
    }


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(np.round(values, 6).tolist())


def _plain(made: NDArray[np.float32]) -> Floats:
    """The numbers on the scale on which they add up: ratios and amounts by their logarithm."""
    plain = made[:, _NUMBERS].astype(np.float64)
    for place, name in enumerate(name for name in FEATURES if name not in CATEGORIES):
        if name in _LOGS:
            plain[:, place] = np.log(np.maximum(plain[:, place], 0.01))
        elif name in _LOGS_PLUS_1:
            plain[:, place] = np.log1p(np.maximum(plain[:, place], 0))
    return plain
