"""What a model states of whom its decisions are about, and how that came true: a table for a person to judge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.simulate.describe import page

if TYPE_CHECKING:
    from models.bootstrap import Interval
    from models.trial import Trial

_CAPTION = (
    "Mean chance stated of the cases of each group, what happened less that, and the deciding metric, each with its "
    "interval. Groups overlap from column to column. The gate does not go by them: where a chance is too high or too "
    "low for a group beyond noise, a person decides what to do."
)


def tables(trial: Trial, candidate: str) -> Iterator[str]:
    """A table a claim, a row a group that is large enough."""
    if not trial.groups:
        return
    metric = trial.description.metrics[0]
    titles = ("group", "cases", "stated", "interval", "happened less stated", "interval", metric.name, "interval")
    columns = [page.Column(title, number > 0) for number, title in enumerate(titles)]
    for claim in trial.description.claims:
        rows = []
        for group in trial.groups:
            found = (
                trial.stated(candidate, claim, group),
                trial.gap(candidate, claim, group),
                trial.figure(candidate, metric, group),
            )
            told = [
                text for signed, each in zip((False, True, False), found, strict=True) for text in _told(each, signed)
            ]
            rows.append([group, f"{trial.cases(group):,}", *told])
        yield page.table(f"Chances of {claim} by group", columns, rows, _CAPTION, is_wide=True)


def _told(interval: Interval, signed: bool) -> tuple[str, str]:
    value, low, high = (
        f"{each:+.4f}" if signed else f"{each:.4f}" for each in (interval.value, interval.low, interval.high)
    )
    return value, f"{low} to {high}"
