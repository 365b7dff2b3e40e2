"""Which candidate a training decides on, and how: what the gate says of the challenger and of the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from pipelines.decisions import Version

if TYPE_CHECKING:
    from models.description import Recipe
    from models.gate import Verdict
    from models.trial import Trial
    from pipelines.backtest import Backtest


@dataclass(frozen=True)
class Chosen:
    """The verdict on each candidate that was weighed, the one decided on last; the trial they rest on."""

    verdicts: tuple[Verdict, ...]
    trial: Trial | None

    @property
    def decided(self) -> Verdict:
        return self.verdicts[-1]

    @property
    def reason(self) -> str:
        return "; ".join(verdict.reason for verdict in reversed(self.verdicts))


def choose(tested: Backtest, recipes: Mapping[str, Recipe], champion: Version | None, as_of: date) -> Chosen:
    """The challenger's verdict and, where it is refused, that of a baseline.

    A candidate that is learned as the champion was is the champion on newer data: it has no other champion to beat.
    What a champion has learned on days after `as_of` it keeps.
    """
    from models.gate import decide

    challenger, rival = tested.description.challenger, _name_of(recipes, champion)
    trial = tested.trial(challenger)
    if trial is None:
        reason = f"without comparison: too little closed history to judge {challenger}"
        baseline = tested.description.fallback.baseline
        is_free = champion is None or (rival == baseline and champion.as_of <= str(as_of))
        return Chosen((_unopposed(baseline, reason, {}, is_free),), None)
    verdict = decide(trial, challenger, None if rival == challenger else rival)
    if champion and champion.as_of > str(as_of):
        later = f"{challenger}: the champion has learned up to {champion.as_of}, this up to {as_of}"
        return Chosen((replace(verdict, is_accepted=False, reason=later),), trial)
    second = None if verdict.is_accepted else _baseline(trial, champion, rival)
    return Chosen((verdict, second) if second else (verdict,), trial)


def _baseline(trial: Trial, champion: Version | None, rival: str | None) -> Verdict | None:
    """The best baseline, where it may take the champion's place: there is none, or it is better beyond noise.

    Else the champion on newer data, where it is a baseline.
    """
    from models.gate import best, decide

    baselines = trial.description.baselines
    leader = best(trial, list(baselines)) or trial.description.fallback.baseline
    if champion is None:
        return _unopposed(leader, "has the best figures of the baselines", trial.figures)
    if rival not in trial.judged:
        return None
    verdict = decide(trial, leader, rival) if leader != rival else None
    if verdict and verdict.is_accepted:
        return verdict
    return _unopposed(rival, "is the champion on newer days", trial.figures) if rival in baselines else None


def _unopposed(baseline: str, reason: str, figures: Mapping[str, float], is_accepted: bool = True) -> Verdict:
    from models.gate import Verdict

    return Verdict(baseline, is_accepted, f"{baseline} {reason}", figures, ())


def _name_of(recipes: Mapping[str, Recipe], champion: Version | None) -> str | None:
    """The candidate that is learned as the champion was; a baseline has no seed."""
    if champion is None:
        return None
    if champion.method in recipes and not recipes[champion.method].parameters:
        return champion.method
    found = [name for name, recipe in recipes.items() if recipe.text == champion.recipe]
    return found[0] if found else None
