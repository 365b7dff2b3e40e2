"""How far a forecast leans on the moving average, by volume class, as a closed window showed it to pay."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.demand.judging import Cases, volume

Floats = NDArray[np.float64]

# The trees keep half a say. Slow SKUs are left to them: four weeks of those are mostly nothing, which RMSSE likes and
# no order can live on.
_WEIGHTS = np.linspace(0.0, 0.5, 6)
_CLASSES = ("middle", "fast")
# A class of fewer cases shows too little.
_FEWEST_CASES = 500


def weights(cases: Cases, learned: Floats, average: Floats) -> Mapping[str, float]:
    """The share of the moving average with which a volume class had the lowest RMSSE, by class; 0 is left out."""
    classes = volume(cases.features["mean_28d"])
    known = cases.scale > 0
    found: dict[str, float] = {}
    for name in _CLASSES:
        chosen = known & (classes == name)
        if chosen.sum() >= _FEWEST_CASES:
            weight = _best(cases, learned, average, chosen)
            found |= {name: weight} if weight > 0 else {}
    return found


def _best(cases: Cases, learned: Floats, average: Floats, chosen: NDArray[np.bool_]) -> float:
    series = np.unique(cases.series[chosen], return_inverse=True)[1]
    number = np.bincount(series)
    root = np.sqrt(cases.scale[chosen])
    one, other = ((mean - cases.units)[chosen] / root for mean in (learned, average))
    squares = [np.bincount(series, weights=each) / number for each in (one**2, one * other, other**2)]
    errors = [
        np.sqrt(np.maximum((1 - w) ** 2 * squares[0] + 2 * w * (1 - w) * squares[1] + w**2 * squares[2], 0.0)).mean()
        for w in _WEIGHTS
    ]
    return round(float(_WEIGHTS[int(np.argmin(errors))]), 1)
