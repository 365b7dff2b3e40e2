"""What a message adds to a cart's chance, learned from carts that were drawn for one or held out.

An X-learner (Künzel, Sekhon, Bickel and Yu 2019, Metalearners for estimating heterogeneous treatment effects using
machine learning) on LightGBM, as a share of the chance without a message, which is known from far more carts than the
experiment has. Whether it can tell carts apart is judged on newer carts by doubly robust scores (Robins, Rotnitzky and
Zhao 1994): their slope on the stated effect is 1 where that is right and 0 where it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from models.abandonment.carts import NIGHT, Booleans, Carts, Floats
from models.abandonment.features import FEATURES, Inputs, matrix
from models.tables import Integers
from models.trees import Trees

X_LEARNER, MEAN_LIFT, ASSUMED = "x_learner", "mean_lift", "assumed"
FEWEST_BOUGHT = 100
_SURE = 1.645
_PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 4,
    "min_data_in_leaf": 500,
    "lambda_l2": 20.0,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_ROUNDS = 60
# Who somebody is and what is at stake may change what a message does; of all else an experiment shows mostly noise.
_MOVES_THE_EFFECT = (
    "earlier_order_count",
    "order_recency_days",
    "past_cart_count",
    "is_logged_in",
    "cart_amount",
    "lead_discount_pct",
    "has_checkout",
    "device",
    "traffic_source",
)
_IS_READ = np.array([name in _MOVES_THE_EFFECT for name in FEATURES])
_NEWER_SHARE = 1 / 3


@dataclass(frozen=True)
class Effect:
    """How an effect follows from the chance without a message: `slope` times it times a share, `lift` for all carts or,
    of an X-learner, by two groups of trees, of which those held out weigh `propensity`."""

    method: str
    lift: float
    slope: float = 1.0
    propensity: float = 0.5
    trees: tuple[Trees, ...] = ()

    def __call__(self, made: NDArray[np.float32], chance: Floats) -> Floats:
        """What a message adds, shape (rows,)."""
        share = np.full(len(made), self.lift)
        if self.trees:
            held_out, written = (trees.log_odds(made) for trees in self.trees)
            share = self.propensity * held_out + (1 - self.propensity) * written
            share = self.lift + self.slope * (share - self.lift)
        return np.clip(share * chance, -chance, 1 - chance)


@dataclass(frozen=True)
class Experiment:
    """Carts drawn for a message or held out, in order of time, at the night before."""

    index: Integers
    made: NDArray[np.float32]
    chance: Floats
    is_treated: Booleans
    propensity: Floats
    bought: Floats

    def chosen(self, which: NDArray[np.bool_]) -> Experiment:
        return Experiment(
            *(getattr(self, name)[which] for name in ("index", "made", "chance", "is_treated", "propensity", "bought"))
        )

    def scores(self, effect: Floats) -> Floats:
        """Doubly robust scores: their mean is the effect whatever the chances stated, if propensities are right."""
        with_it = np.clip(self.chance + effect, 0, 1)
        written = self.is_treated * (self.bought - with_it) / self.propensity
        held_out = ~self.is_treated * (self.bought - self.chance) / (1 - self.propensity)
        return np.asarray(with_it - self.chance + written - held_out, np.float64)

    @property
    def parts(self) -> tuple[Experiment, Experiment]:
        """The older carts, and the newer ones on which an account of those is judged."""
        is_older = np.arange(len(self.index)) < int(len(self.index) * (1 - _NEWER_SHARE))
        return self.chosen(is_older), self.chosen(~is_older)

    @property
    def is_enough(self) -> bool:
        return all(self.bought[which].sum() >= FEWEST_BOUGHT for which in (self.is_treated, ~self.is_treated))


def experiment_of(
    carts: Carts,
    as_of: int,
    horizon_days: int,
    categories: Mapping[str, tuple[str, ...]],
    chance: Callable[[Inputs], Floats],
) -> Experiment:
    """The carts of the experiment whose horizon has passed, each at the last night before it was decided about."""
    messages = carts.messages
    is_drawn = np.isfinite(messages.propensity) & (messages.propensity > 0) & (messages.propensity < 1)
    is_last = (messages.assigned - carts.day >= 0) & (messages.assigned - carts.day <= 1)
    is_mature = carts.day <= as_of - horizon_days
    index = np.flatnonzero(is_drawn & is_last & is_mature & (carts.moment == NIGHT) & carts.is_open & ~carts.is_bot)
    keys = carts.frame["cart_key"].to_numpy(object)[index]
    index = index[np.sort(np.unique(keys.astype(str), return_index=True)[1])] if len(index) else index
    inputs = Inputs.of_rows(carts, index)
    return Experiment(
        index,
        np.where(_IS_READ, matrix(inputs, categories), np.float32(0)),
        np.clip(chance(inputs), 0.002, 0.998),
        messages.is_treated[index],
        messages.propensity[index],
        carts.happened(horizon_days)[index],
    )


def learn_effect(tried: Experiment, categories: Mapping[str, tuple[str, ...]], seed: int) -> Effect | None:
    """The richest account of the effect that newer carts bear out; None where the experiment is too small to tell."""
    older, newer = tried.parts
    if not (older.is_enough and tried.is_enough):
        return None
    found = x_learner(older, categories, seed)
    stated = found(newer.made, newer.chance)
    slope, error = _slope(newer.scores(stated) / newer.chance, stated / newer.chance, newer.chance)
    lift = _lift(tried)
    if slope > _SURE * error:
        whole = x_learner(tried, categories, seed)
        # The trees shrink what they state already: it is taken back only as far as newer carts speak against it.
        believed = round(min(slope + _SURE * error, 1.0), 6)
        return Effect(X_LEARNER, lift[0], believed, whole.propensity, whole.trees)
    return Effect(MEAN_LIFT, lift[0]) if abs(lift[0]) > _SURE * lift[1] else None


def _lift(tried: Experiment) -> tuple[float, float]:
    """The mean effect as a share of the mean chance, with its standard error."""
    scores = tried.scores(np.zeros(len(tried.index)))
    mean = float(tried.chance.mean())
    return round(float(scores.mean()) / mean, 6), float(scores.std()) / np.sqrt(len(scores)) / mean


def _slope(scores: Floats, stated: Floats, weight: Floats) -> tuple[float, float]:
    """Weighted least squares of the scores on what was stated, with the error that holds for unequal variances."""
    if stated.std() == 0:
        return 0.0, np.inf
    centred = stated - np.average(stated, weights=weight)
    spread = float((weight * centred**2).sum())
    slope = float((weight * centred * scores).sum()) / spread
    rest = scores - np.average(scores, weights=weight) - slope * centred
    return slope, float(np.sqrt(((weight * centred * rest) ** 2).sum())) / spread


def x_learner(tried: Experiment, categories: Mapping[str, tuple[str, ...]], seed: int) -> Effect:
    """Effects of those written to against their chance without, of those held out against theirs with a message."""
    written, held_out = tried.is_treated, ~tried.is_treated
    with_it = _with_a_message(tried, categories, seed)
    imputed = np.where(written, tried.bought - tried.chance, with_it - tried.bought)
    # As a share of the chance, each cart by how much it tells of it.
    weight = tried.chance / (1 - tried.chance)
    trees = []
    for which in (held_out, written):
        data = lgb.Dataset(
            tried.made[which],
            (imputed / tried.chance)[which],
            weight=weight[which],
            feature_name=list(FEATURES),
            categorical_feature=list(categories),
        )
        grown = lgb.train({**_PARAMETERS, "objective": "l2", "seed": seed}, data, _ROUNDS)
        trees.append(Trees(grown.model_to_string(), categories))
    return Effect(X_LEARNER, _lift(tried)[0], 1.0, round(float(tried.propensity.mean()), 6), tuple(trees))


def _with_a_message(tried: Experiment, categories: Mapping[str, tuple[str, ...]], seed: int) -> Floats:
    """The chance with a message: what carts written to did, starting from their chance without one."""
    written, odds = tried.is_treated, logit(tried.chance)
    data = lgb.Dataset(
        tried.made[written],
        tried.bought[written],
        init_score=odds[written],
        feature_name=list(FEATURES),
        categorical_feature=list(categories),
    )
    grown = lgb.train({**_PARAMETERS, "objective": "binary", "seed": seed}, data, _ROUNDS)
    return np.asarray(expit(odds + grown.predict(tried.made, raw_score=True, num_threads=1)), np.float64)
