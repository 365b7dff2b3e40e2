"""An experiment with messages whose effects a test knows."""

from __future__ import annotations

import numpy as np

from models.abandonment.features import FEATURES
from models.abandonment.uplift import Experiment

CATEGORIES: dict[str, tuple[str, ...]] = {"device": ("a",), "traffic_source": ("a",), "category_1": ("a",)}
ORDERS = FEATURES.index("earlier_order_count")


def experiment(carts: int, lifts: tuple[float, float], seed: int = 1, chance: float = 0.15) -> Experiment:
    """Carts of two kinds, told apart by earlier orders, whose chance a message raises by a share of it."""
    draw = np.random.default_rng(seed)
    made = np.zeros((carts, len(FEATURES)), np.float32)
    made[:, ORDERS] = draw.integers(0, 2, carts)
    chances = draw.beta(3, 3 / chance - 3, carts)
    is_treated = draw.random(carts) < 0.5
    lift = np.where(made[:, ORDERS] > 0, lifts[1], lifts[0])
    bought = draw.random(carts) < chances * (1 + lift * is_treated)
    half = np.full(carts, 0.5)
    return Experiment(np.arange(carts), made, chances, is_treated, half, bought.astype(float))
