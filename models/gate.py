"""Whether a challenger becomes champion: better beyond noise, honest where it speaks of chances, harmful nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import bootstrap
from models.bootstrap import Interval
from models.description import Description, Metric


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


@dataclass(frozen=True)
class Trial:
    """The judged cases of each candidate by name, row for row the same cases, and what they are to show."""

    description: Description
    judged: Mapping[str, pd.DataFrame]

    @cached_property
    def block(self) -> NDArray[np.int64]:
        at = next(iter(self.judged.values()))["at"]
        return bootstrap.blocks(at, self.description.gate.block_days, at.to_numpy("datetime64[D]").max())

    def figure(self, name: str, metric: Metric, rows: NDArray[np.bool_] | None = None) -> Interval:
        """A candidate's metric, of these rows or of all."""
        return self._estimate(self._sums(name, metric, rows))

    def value(self, name: str, metric: Metric, rows: NDArray[np.bool_] | None = None) -> float:
        """As `figure`, without an interval."""
        sums = self._sums(name, metric, rows)
        return float(sums.value(np.ones((1, sums.blocks)))[0])

    def gain(self, name: str, other: str, metric: Metric, rows: NDArray[np.bool_] | None = None) -> Interval:
        """How much better the first candidate is, as a share of the other's metric."""
        first, second = (self._sums(one, metric, rows) for one in (name, other))

        def gained(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            return bootstrap.gain(first.value(weights), second.value(weights), metric.better)

        return bootstrap.estimate(gained, first.blocks, self.description.gate.confidence)

    def gap(self, name: str, claim: str) -> Interval:
        """Of a candidate's claim, what happened less what was stated."""
        return self._estimate(bootstrap.claim_sums(self.judged[name], claim, self.block))

    def slices(self) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Name and rows of every slice that is large enough to be judged by itself."""
        frame = next(iter(self.judged.values()))
        for column in self.description.slices:
            for value, count in frame[column].value_counts().sort_index().items():
                if count >= self.description.gate.fewest_cases and count < len(frame):
                    yield f"{column} {value}", (frame[column] == value).to_numpy()

    @cached_property
    def figures(self) -> dict[str, float]:
        """`<candidate>.<metric>` and `<candidate>.<claim>_gap` of all, with the bounds of the deciding metric."""
        description, found = self.description, dict[str, float]()
        decisive = description.metrics[0]
        for name in self.judged:
            for metric in (*description.metrics, description.money):
                found[f"{name}.{metric.name}"] = self.value(name, metric)
            interval = self.figure(name, decisive)
            found[f"{name}.{decisive.name}_low"] = interval.low
            found[f"{name}.{decisive.name}_high"] = interval.high
            for claim in description.claims:
                found[f"{name}.{claim}_gap"] = self.gap(name, claim).value
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def _estimate(self, sums: bootstrap.Sums) -> Interval:
        return bootstrap.estimate(sums.value, sums.blocks, self.description.gate.confidence)

    def _sums(self, name: str, metric: Metric, rows: NDArray[np.bool_] | None) -> bootstrap.Sums:
        judged, block = self.judged[name], self.block
        if rows is not None:
            judged, block = judged[rows], np.unique(block[rows], return_inverse=True)[1].astype(np.int64)
        return bootstrap.sums(judged, metric, block)


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
        checks += [_is_harmless(trial, challenger, reference, name, rows) for name, rows in trial.slices()]
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
    for name, rows in trial.slices():
        if not trial.gain(challenger, rival, trial.description.metrics[0], ~rows).value > 0:
            return f", all of it on {name}"
    return ""


def _is_calibrated(trial: Trial, challenger: str, claim: str) -> Check:
    margin, gap = trial.description.gate.calibration_margin, trial.gap(challenger, claim)
    off = f"{claim} happens {abs(gap.value):.3f} {'more' if gap.value > 0 else 'less'} often than stated"
    holds = gap.low <= margin and gap.high >= -margin
    seen = off if holds else f"not calibrated: {off} (at most {margin} is allowed)"
    return Check(f"calibrated at {claim}", holds, seen)


def _is_harmless(trial: Trial, challenger: str, reference: str, name: str, rows: NDArray[np.bool_]) -> Check:
    metric, margin = trial.description.metrics[0], trial.description.gate.slice_margin
    gain = trial.gain(challenger, reference, metric, rows)
    is_harm = -gain.value > margin and gain.high < 0
    seen = f"{abs(gain.value):.1%} {'better' if gain.value > 0 else 'worse'} than {reference} on {name}"
    return Check(f"no harm on {name}", not is_harm, f"{seen} (at most {margin:.0%} is allowed)" if is_harm else seen)


def _loss(value: float, metric: Metric) -> float:
    return {"lower": value, "higher": -value, "near zero": abs(value)}[metric.better]
