"""A penalised logistic regression on ready terms, of which the first is the constant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Floats = NDArray[np.float64]
# Nearly every step is Newton's own.
_FAR = {"initial_trust_radius": 100.0, "max_trust_radius": 1e4, "gtol": 1e-5}


def standard(plain: Floats, least: float) -> tuple[Floats, Floats]:
    """Mean and scale of each column's known values, shape (columns,); a scale below `least` is none and becomes 1."""
    known = np.isfinite(plain)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, plain, 0).sum(axis=0) / count
    scale = np.sqrt(np.where(known, (plain - mean) ** 2, 0).sum(axis=0) / count)
    return mean, np.where(scale > least, scale, 1.0)


def fit(
    terms: Floats, happened: Floats, penalty: float, start: Floats, every: int = 1, counts: Floats | None = None
) -> Floats:
    """The weights that make what happened most likely, less half the penalty on their squares: terms may say the same.

    A row may count as more or less than one, by `counts` of mean 1. The curvature may be that of only `every` so many
    rows, which costs a few more steps and is less work.
    """
    given = (np.ascontiguousarray(terms), happened, penalty, every, np.ones(len(terms)) if counts is None else counts)
    return np.asarray(minimize(_loss, start, given, "trust-exact", _slope, _curve, options=_FAR).x, np.float64)


def _loss(weights: Floats, terms: Floats, happened: Floats, penalty: float, every: int, counts: Floats) -> float:
    odds = terms @ weights
    return float(np.mean(counts * (np.logaddexp(0, odds) - happened * odds)) + penalty / 2 * weights @ weights)


def _slope(weights: Floats, terms: Floats, happened: Floats, penalty: float, every: int, counts: Floats) -> Floats:
    wrong = counts * (expit(terms @ weights) - happened)
    return np.asarray(terms.T @ wrong / len(terms) + penalty * weights, np.float64)


def _curve(weights: Floats, terms: Floats, happened: Floats, penalty: float, every: int, counts: Floats) -> Floats:
    terms, counts = terms[::every], counts[::every]
    stated = expit(terms @ weights)
    curve = (terms.T * (counts * stated * (1 - stated))) @ terms / len(terms)
    return np.asarray(curve + penalty * np.eye(len(weights)), np.float64)
