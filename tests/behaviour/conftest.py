"""The simulated stores whose planted properties are looked for: one for every run, three long ones for campaigns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from planted import Planted

from pipelines.simulate import simulate
from pipelines.simulate.arguments import Arguments

FIRST_DAY = date(2025, 3, 3)
SHORT = pytest.param((0.1, 310, 3), id="short")
LONG = [pytest.param((0.3, 540, seed), id=f"seed{seed}", marks=pytest.mark.campaign) for seed in (1, 2, 3)]


@pytest.fixture(scope="session", params=[SHORT, *LONG])
def planted(request: pytest.FixtureRequest, made_once: Callable[[str, Callable[[Path], object]], Path]) -> Planted:
    """From March to the first days of January: a holiday peak, a closed day and both changes of the clock."""
    scale, days, seed = request.param
    arguments = Arguments(scale, days, seed, FIRST_DAY, format="parquet")

    def make(folder: Path) -> object:
        return simulate(folder / "landing", folder / "truth", arguments, lambda _: None)

    folder = made_once(f"planted-{scale}-{days}-{seed}", make)
    return Planted(folder / "landing", folder / "truth", scale, days, pd.Timestamp(FIRST_DAY))
