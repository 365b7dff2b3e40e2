"""Common shocks, like the weather: what moves a whole department's demand for some days."""

from __future__ import annotations

import numpy as np

from pipelines.simulate.parameters import DemandParameters
from pipelines.simulate.streams import Floats, Purpose, stream
from pipelines.simulate.vocabulary import DEPARTMENTS


class Shocks:
    """A stationary first-order autoregression per department on the log scale; `factor` has mean 1."""

    def __init__(self, seed: int, parameters: DemandParameters) -> None:
        self._seed = seed
        self._parameters = parameters
        self._log = np.zeros(len(DEPARTMENTS))

    def advance(self, day: int) -> None:
        own, noise = self._parameters, stream(self._seed, Purpose.SHOCKS, day).standard_normal(len(DEPARTMENTS))
        if day == 0:
            self._log = own.shock_sd * noise
            return
        left = own.shock_sd * np.sqrt(1 - own.shock_persistence**2)
        self._log = own.shock_persistence * self._log + left * noise

    @property
    def factor(self) -> Floats:
        return np.asarray(np.exp(self._log - self._parameters.shock_sd**2 / 2))
