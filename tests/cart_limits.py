"""What keeps the best of learners from the truth about carts."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.special import expit, logit

from models.abandonment.carts import CATEGORIES, Carts
from models.abandonment.features import FEATURES, Inputs, matrix
from models.calibration import log_loss


@dataclass(frozen=True)
class Limits:
    """What keeps a perfect learner from the truth.

    `of_columns` is the mean error of trees that are taught the truth itself: what the feature columns do not hold.
    `besides` is how far trees move that begin with the truth and learn what was bought: what the columns tell and the
    truth leaves out; `worth` is the log loss they gain with its standard error. `unseen` is how much more often the
    truth says that carts of the past are bought than the feed shows it, with its standard error.
    """

    of_columns: float
    besides: float
    worth: tuple[float, float]
    unseen: tuple[float, float]

    def __str__(self) -> str:
        return (
            f"columns miss {self.of_columns:.4f}, tell besides {self.besides:.4f} "
            f"(log loss {self.worth[0]:+.4f} +- {self.worth[1]:.4f}), "
            f"purchases not seen {self.unseen[0]:.4f} +- {self.unseen[1]:.4f}"
        )


def limits(history: Carts, truth: pd.Series, past: np.ndarray, index: np.ndarray, horizon_days: int) -> Limits:
    """`truth` is of each row of the history; rows of the past are learned from, those of `index` judged."""
    known = truth.clip(0.001, 0.999).to_numpy(float)
    bought, categories = history.happened(horizon_days), Inputs.of_rows(history, past).categories(CATEGORIES)
    made, asked = (matrix(Inputs.of_rows(history, rows), categories) for rows in (past, index))
    plain = {"learning_rate": 0.1, "min_data_in_leaf": 50, "verbosity": -1, "num_threads": 1, "seed": 7}

    def data(label: np.ndarray, start: np.ndarray | None = None) -> lgb.Dataset:
        names = {"feature_name": list(FEATURES), "categorical_feature": list(CATEGORIES)}
        return lgb.Dataset(made, label, init_score=start, **names)

    taught = lgb.train({**plain, "objective": "l2"}, data(known[past]), 100).predict(asked)
    further = lgb.train({**plain, "objective": "binary", "num_leaves": 4}, data(bought[past], logit(known[past])), 60)
    moved = expit(logit(known[index]) + further.predict(asked, raw_score=True))
    worth = log_loss(known[index], bought[index]) - log_loss(moved, bought[index])
    unseen = known[past] - bought[past]
    return Limits(
        abs(taught - known[index]).mean(),
        abs(moved - known[index]).mean(),
        (worth.mean(), worth.std() / np.sqrt(len(worth))),
        (unseen.mean(), unseen.std() / np.sqrt(len(unseen))),
    )
