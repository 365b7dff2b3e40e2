"""Random numbers: one independent stream for each purpose and day.

A day's draws depend on the seed, the purpose and the day alone, so the first days of a store are the same
however many follow, and a purpose that draws more leaves the others as they were.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


# Whose visitor ids are numbered: what keeps one kind apart from another.
OF_CUSTOMERS, OF_STRANGERS, OF_BOTS = 1, 2, 3


class Purpose(IntEnum):
    """The numbers are part of every store ever written: add, never renumber."""

    CATALOG = 1
    PRICES = 2
    PROMOTIONS = 3
    DEMAND = 4
    BASKETS = 5
    CUSTOMERS = 6
    CLICKS = 7
    FOLLOW_UP = 8
    ORDERS = 9
    SHIPPING = 10
    RETURNS = 11
    STOCK = 12
    TRAITS = 13
    BUYERS = 14
    EVENTS = 15
    SHOCKS = 16
    LEAVERS = 17
    CARTS = 18
    RETURNING = 19
    FRAUD = 20
    BOTS = 21
    BROWSERS = 22
    MONTE_CARLO = 23
    SESSIONS = 24
    GUESTS = 25
    FILE_CUTS = 30
    DIRT = 100  # plus the number of the feed


def stream(seed: int, purpose: int, day: int = 0) -> np.random.Generator:
    """The generator of one purpose on one day (0 is the first; also for what is drawn once)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, int(purpose), day))))


def shares(pairs: tuple[tuple[str, float], ...]) -> tuple[list[str], Floats]:
    """The names and the normalised shares of a table of choices."""
    weights = np.array([pair[1] for pair in pairs], dtype=float)
    return [pair[0] for pair in pairs], weights / weights.sum()


def days_between(rng: np.random.Generator, bounds: tuple[int, int], size: int) -> Ints:
    """Whole days, both bounds included."""
    return rng.integers(bounds[0], bounds[1] + 1, size)


def mixed(*parts: int | Ints) -> Ints:
    """A number of up to 12 digits that looks random and is the same for the same parts.

    The finalizer of SplitMix64 (Steele, Lea & Flood, 2014), once for each part.
    """
    shape = np.broadcast_shapes(*(np.shape(part) for part in parts))
    value = np.zeros(shape, dtype=np.uint64)
    for part in parts:
        value = value + np.asarray(part).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value = value ^ (value >> np.uint64(31))
    return np.asarray((value % np.uint64(10**12)).astype(np.int64))
