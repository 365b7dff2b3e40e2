"""Whether a challenger becomes champion: better beyond noise, honest where it speaks of chances, harmful nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.description import Metric
from models.trial import BUT, Trial


@dataclass(frozen=True)
class Check:
    """One condition, whether it holds, and what was seen."""

    name: str
    holds: bool
    seen: str


@dataclass(frozen=True)
class Verdict:
    """The decision on a challenger; `figures` are the numbers it rests on."""

    challenger: str
    is_accepted: bool
    reason: str
    figures: Mapping[str, float]
    checks: tuple[Check, ...]


def decide(trial: Trial, challenger: str, champion: str | None) -> Verdict:
    """Judge a challenger against every baseline and the champion, where the trial has them; by their names in it.

    A refit of the champion's own recipe has no other champion to beat: it is given none.
    """
    champion = champion if champion in trial.judged else None
    baselines = [name for name in trial.description.baselines if name in trial.judged and name != challenger]
    rivals = list(dict.fromkeys([*([champion] if champion else []), *baselines]))
    checks = [_is_better(trial, challenger, rival) for rival in rivals]
    checks += [_is_calibrated(trial, challenger, claim) for claim in trial.description.claims]
    reference = champion or best(trial, baselines)
    if reference:
        checks += [_is_harmless(trial, challenger, reference, name) for name in trial.slices]
    failed = [check.seen for check in checks if not check.holds]
    reason = "; ".join(failed or [check.seen for check in checks[: len(rivals)]] or ["nothing stood against it"])
    return Verdict(challenger, not failed, f"{challenger}: {reason}", trial.figures, tuple(checks))


def best(trial: Trial, names: list[str]) -> str | None:
    """The candidate with the best deciding metric."""
    metric = trial.description.metrics[0]
    values = {name: _loss(trial.value(name, metric), metric) for name in names}
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    return min(known, key=lambda name: known[name]) if known else None


def _is_better(trial: Trial, challenger: str, rival: str) -> Check:
    metric, level = trial.description.metrics[0], trial.description.gate.confidence
    gain = trial.gain(challenger, rival, metric)
    values = [trial.value(name, metric) for name in (challenger, rival)]
    shown = (
        f"{metric.name} {values[0]:.4f} against {values[1]:.4f} of {rival}, gain {gain.value:.1%}, "
        f"{level:.0%} interval {gain.low:.1%} to {gain.high:.1%}"
    )
    if gain.low > 0:
        word, where = "better beyond noise", ""
    elif gain.high < 0:
        word, where = "worse", ""
    else:
        word, where = "not better beyond noise", _where(trial, challenger, rival) if gain.value > 0 else ""
    return Check(f"better than {rival}", gain.low > 0, f"{word}: {shown}{where}")


def _where(trial: Trial, challenger: str, rival: str) -> str:
    """The slice without which there would be no gain."""
    for name in trial.slices:
        if not trial.gain(challenger, rival, trial.description.metrics[0], f"{BUT}{name}").value > 0:
            return f", all of it on {name}"
    return ""


def _is_calibrated(trial: Trial, challenger: str, claim: str) -> Check:
    margin, gap = trial.description.gate.calibration_margin, trial.gap(challenger, claim)
    off = f"{claim} happens {abs(gap.value):.3f} {'more' if gap.value > 0 else 'less'} often than stated"
    holds = gap.low <= margin and gap.high >= -margin
    seen = off if holds else f"not calibrated: {off} (at most {margin} is allowed)"
    return Check(f"calibrated at {claim}", holds, seen)


def _is_harmless(trial: Trial, challenger: str, reference: str, name: str) -> Check:
    metric, margin = trial.description.metrics[0], trial.description.gate.slice_margin
    gain = trial.gain(challenger, reference, metric, name)
    is_harm = -gain.value > margin and gain.high < 0
    seen = f"{abs(gain.value):.1%} {'better' if gain.value > 0 else 'worse'} than {reference} on {name}"
    return Check(f"no harm on {name}", not is_harm, f"{seen} (at most {margin:.0%} is allowed)" if is_harm else seen)


def _loss(value: float, metric: Metric) -> float:
    return {"lower": value, "higher": -value, "near zero": abs(value)}[metric.better]
