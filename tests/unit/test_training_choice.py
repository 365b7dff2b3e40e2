"""Which candidate a training decides on: the challenger, a baseline, or nobody, with a champion and without."""

from __future__ import annotations

from datetime import date
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from judged import DESCRIPTION, LAST, World

from models.description import Recipe
from models.splits import ClosedWindow
from pipelines.backtest import Backtest
from pipelines.choosing import Chosen, choose
from pipelines.decisions import Version

AS_OF = date(2025, 4, 22)
WINDOW = ClosedWindow(date(2024, 12, 31), 112)
CHALLENGER, BASELINE, OTHER = (
    Recipe("challenger", {"rounds": 2}),
    Recipe("baseline"),
    Recipe("challenger", {"rounds": 1}),
)
BETTER, WORSE = 0.8, 1.25


def _champion(recipe: Recipe, as_of: str = "2025-03-25") -> Version:
    empty = MappingProxyType(dict[str, str]())
    return Version("planted", "1", "abc", recipe.method, as_of, "snapshot", recipe.text, "folder", empty, "run")


def _choose(now: Version | None, /, **quality: float | None) -> Chosen:
    """Choose among candidates of a quality (below 1 is better), or with None too little data."""
    world = World(1)
    judged: dict[tuple[str, ClosedWindow], pd.DataFrame | None] = {
        (name, WINDOW): None if each is None else world.candidate(quality=each) for name, each in quality.items()
    }
    recipes = {"challenger": CHALLENGER, "baseline": BASELINE, "champion": OTHER}
    known = {name: recipe for name, recipe in recipes.items() if name in quality}
    return choose(Backtest(DESCRIPTION, (WINDOW,), judged), known, now, AS_OF)


def _decided(chosen: Chosen) -> tuple[str, bool]:
    return chosen.decided.challenger, chosen.decided.is_accepted


def test_without_a_champion_the_better_of_challenger_and_baseline_becomes_one() -> None:
    assert _decided(_choose(None, challenger=BETTER, baseline=1)) == ("challenger", True)
    chosen = _choose(None, challenger=1, baseline=1)
    assert _decided(chosen) == ("baseline", True)
    assert "challenger: not better beyond noise" in chosen.reason
    assert [verdict.challenger for verdict in chosen.verdicts] == ["challenger", "baseline"]


def test_another_recipe_has_to_beat_the_champions() -> None:
    champion = _champion(OTHER)
    assert _decided(_choose(champion, challenger=BETTER, baseline=WORSE, champion=1)) == ("challenger", True)
    same = _choose(champion, challenger=1, baseline=WORSE, champion=1)
    assert _decided(same) == ("challenger", False)
    assert "of champion" in same.reason
    assert "of baseline" not in same.reason


def test_the_champions_own_recipe_on_newer_days_has_only_the_baseline_to_beat() -> None:
    champion = _champion(CHALLENGER)
    assert _decided(_choose(champion, challenger=BETTER, baseline=1)) == ("challenger", True)
    assert _decided(_choose(champion, challenger=1, baseline=1)) == ("challenger", False)


def test_a_baseline_takes_the_place_of_a_champion_that_is_worse() -> None:
    champion = _champion(OTHER)
    assert _decided(_choose(champion, challenger=WORSE, baseline=BETTER, champion=1)) == ("baseline", True)
    assert _decided(_choose(champion, challenger=WORSE, baseline=1, champion=1)) == ("challenger", False)


def test_a_baseline_that_is_champion_goes_on_with_newer_days() -> None:
    champion = _champion(Recipe("baseline", {}, seed=3))
    assert _decided(_choose(champion, challenger=1, baseline=1)) == ("baseline", True)
    assert _decided(_choose(champion, challenger=BETTER, baseline=1)) == ("challenger", True)


@pytest.mark.parametrize("recipe", [CHALLENGER, OTHER, BASELINE])
def test_a_champion_that_knows_later_days_stays(recipe: Recipe) -> None:
    chosen = _choose(_champion(recipe, as_of="2025-04-23"), challenger=BETTER, baseline=1, champion=1)
    assert _decided(chosen) == ("challenger", False)
    assert "has learned up to 2025-04-23, this up to 2025-04-22" in chosen.reason


def test_too_little_history_leaves_the_fallback_and_a_learned_champion_as_it_is() -> None:
    assert _decided(_choose(None, challenger=None, baseline=1)) == ("baseline", True)
    assert _decided(_choose(_champion(BASELINE), challenger=None, baseline=1)) == ("baseline", True)
    chosen = _choose(_champion(CHALLENGER), challenger=None, baseline=1)
    assert _decided(chosen) == ("baseline", False)
    assert "too little closed history to judge challenger" in chosen.reason


def test_the_planted_days_are_those_of_the_window() -> None:
    assert np.datetime64(AS_OF) == LAST
    assert (WINDOW.last - WINDOW.origin).days == 112
