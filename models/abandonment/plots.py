"""Plots of the model of carts alone: whom its experiment says to write to first, and how soon carts are bought."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.abandonment.carts import ADDED, IDLE, NIGHT, Carts, Floats
from models.abandonment.uplift import Experiment, x_learner
from models.drawings import Lines, Points
from models.tables import Integers

_STEPS, _DAY = 20, 86_400
_MOMENTS = {ADDED: "first addition", IDLE: "half an hour later", NIGHT: "at night"}


def qini(tried: Experiment, categories: Mapping[str, tuple[str, ...]], seed: int) -> Lines | None:
    """What messages win of newer carts, in the order of an X-learner of the older ones; None where either is too few.

    Radcliffe 2007, Using control groups to target on predicted lift, Direct Marketing Analytics Journal 1; by doubly
    robust scores, so that propensities may differ.
    """
    older, newer = tried.parts
    if not (older.is_enough and newer.is_enough):
        return None
    scores, effect = newer.scores(np.zeros(len(newer.index))), x_learner(older, categories, seed)
    return Lines(
        "Qini curve",
        "Purchases won per cart of the newer part of the experiment, which the X-learner drawn here has not seen, when "
        "this share of its carts is written to; on the faint line the order says nothing.",
        "share of carts written to",
        "purchases won a cart",
        {
            "largest effect first": _won(effect(newer.made, newer.chance), scores),
            "likeliest to leave first": _won(-newer.chance, scores),
        },
        is_share=(True, False),
        reference=((0.0, 0.0), (1.0, float(scores.mean()))),
    )


def _won(order: Floats, scores: Floats) -> Points:
    so_far = np.concatenate([[0.0], np.cumsum(scores[np.argsort(-order, kind="stable")])])
    counts = np.linspace(0, len(scores), _STEPS + 1).astype(np.int64)
    return [(float(n / len(scores)), float(so_far[n] / len(scores))) for n in counts]


def lead_times(carts: Carts, index: Integers, horizon_days: int) -> Lines:
    """Of the rows bought within the horizon the share that was bought by so many days after the decision, by moment."""
    bought = index[carts.happened(horizon_days)[index] > 0]
    days = np.linspace(0, horizon_days + 1, 4 * (horizon_days + 1) + 1)
    lines: dict[str, Points] = {}
    for moment, name in _MOMENTS.items():
        here = bought[carts.moment[bought] == moment]
        waited = np.sort((carts.bought[here] - carts.decision[here]) / _DAY)
        if len(waited):
            share = np.searchsorted(waited, days, side="right") / len(waited)
            lines[name] = list(zip(days.tolist(), share.tolist(), strict=True))
    return Lines(
        "Lead time",
        "Of the carts bought within the horizon, the share that was bought by then.",
        "days since the decision",
        "share of purchases",
        lines,
        is_share=(False, True),
    )
