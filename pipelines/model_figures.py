"""A backtest as people read it: rows of a table, plots and the parts of a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines import group_table
from pipelines.simulate.describe import figures, page
from pipelines.simulate.describe.figures import Line, Plot

if TYPE_CHECKING:
    import pandas as pd

    from models.bootstrap import Interval
    from models.description import Model
    from models.drawings import Drawing
    from models.trial import Trial
    from pipelines.backtest import Backtest
    from pipelines.model_inputs import Inputs

COLUMNS = (
    "origin",
    "slice",
    "metric",
    "candidate",
    "value",
    "low",
    "high",
    "gain",
    "gain_low",
    "gain_high",
    "cases",
)


def results(tested: Backtest) -> pd.DataFrame:
    """A row an origin (`all` for all of them), slice (`all`), metric and candidate: its figure, and the challenger's
    gain over it as a share of it, each with its interval."""
    import pandas as pd

    from models.trial import ALL

    rows: list[tuple[object, ...]] = []
    challenger = tested.description.challenger
    if (whole := tested.trial(challenger)) is not None:
        rows += _rows(ALL, whole, challenger, is_sliced=True)
        for window in tested.windows:
            if (trial := tested.trial(challenger, window)) is not None:
                rows += _rows(str(window.origin), trial, challenger, is_sliced=False)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(origin: str, trial: Trial, challenger: str, is_sliced: bool) -> Iterator[tuple[object, ...]]:
    from models.trial import ALL

    description = trial.description
    cases = trial.cases()
    for name in trial.judged:
        for metric in (*description.metrics, description.money):
            gain = trial.gain(challenger, name, metric)
            yield origin, ALL, metric.name, name, *_flat(trial.figure(name, metric)), *_flat(gain), cases
        for claim in description.claims:
            gap = trial.gap(name, claim)
            yield origin, ALL, f"{claim}_gap", name, *_flat(gap), None, None, None, cases
        for part in trial.groups if is_sliced else ():
            for claim in description.claims:
                gap = trial.gap(name, claim, part)
                yield origin, part, f"{claim}_gap", name, *_flat(gap), None, None, None, trial.cases(part)
        for part in dict.fromkeys((*trial.slices, *trial.groups)) if is_sliced else ():
            for metric in (description.metrics[0], description.money):
                figure, gain = trial.figure(name, metric, part), trial.gain(challenger, name, metric, part)
                yield origin, part, metric.name, name, *_flat(figure), *_flat(gain), trial.cases(part)


def _flat(interval: Interval) -> tuple[float | None, ...]:
    bounds = (interval.value, interval.low, interval.high)
    return tuple(bound if math.isfinite(bound) else None for bound in bounds)


@dataclass(frozen=True)
class Figure:
    """A plot with the name of its file, its title and what to see in it."""

    name: str
    title: str
    plot: Plot
    caption: str


def judged(tested: Backtest, trial: Trial, candidate: str) -> list[Figure]:
    """How a candidate did beside the others, by slice and origin, and how what it stated came true."""
    metric = trial.description.metrics[0]
    return [
        Figure(
            "gains",
            f"Gain of {candidate} by slice",
            _gains(trial, candidate),
            f"Share of the other's {metric.name}; right of 0 is better.",
        ),
        Figure(
            "by_origin",
            "By origin",
            _by_origin(tested),
            f"{metric.name} of the window after each origin, better {metric.better}.",
        ),
        *(figure for claim in trial.description.claims for figure in _chances(trial, candidate, claim)),
    ]


def own(inputs: Inputs, model: Model) -> list[Figure]:
    """The plots that only this model has."""
    if not inputs.description.drawings:
        return []
    found = inputs.question.drawings(model, inputs.history)
    return [_drawn_as(name, found[name]) for name in inputs.description.drawings if name in found]


def _chances(trial: Trial, candidate: str, claim: str) -> Iterator[Figure]:
    """How often what was stated came true, and how much more often among what was stated likeliest."""
    from models import drawings

    chances = trial.chances(candidate, claim)
    if not chances:
        return
    most = max(max(x, y) for pair in chances.values() for x, y in drawings.reliability(*pair))
    yield _drawn_as(
        f"reliability_{claim}",
        drawings.Lines(
            f"Reliability of {claim}",
            "Ten groups of equally many cases; on the faint line a chance comes true as often as stated.",
            "chance stated",
            "share that happened",
            {name: drawings.reliability(*pair) for name, pair in chances.items()},
            reference=((0.0, 0.0), (most, most)),
        ),
    )
    yield _drawn_as(
        f"lift_{claim}",
        drawings.Lines(
            f"Lift of {claim}",
            "How many times as often as in all it happened among the share of cases stated likeliest.",
            "share of cases, likeliest first",
            "times as often",
            {name: drawings.lift(*pair) for name, pair in chances.items()},
            is_share=(True, False),
            reference=((0.0, 1.0), (1.0, 1.0)),
        ),
    )


def _drawn_as(name: str, drawing: Drawing) -> Figure:
    from models.drawings import Bars

    if isinstance(drawing, Bars):
        values = list(drawing.bars.values())
        notes = [f"{value:.0%}" for value in values]
        plot = figures.bars(name, list(drawing.bars), [(drawing.title, values)], notes, is_share=True)
        return Figure(name, drawing.title, plot, drawing.caption)
    lines = [Line(each, points) for each, points in drawing.lines.items()]
    reference = Line("reference", drawing.reference)
    plot = figures.curves(name, lines, drawing.along, drawing.up, drawing.is_share, reference)
    return Figure(name, drawing.title, plot, drawing.caption)


def _by_origin(tested: Backtest) -> Plot:
    """The deciding metric of each candidate, origin by origin."""
    metric, challenger = tested.description.metrics[0], tested.description.challenger
    points: dict[str, list[tuple[object, float]]] = {}
    for window in reversed(tested.windows):
        if (trial := tested.trial(challenger, window)) is not None:
            for name in trial.judged:
                points.setdefault(name, []).append((window.origin, trial.value(name, metric)))
    return figures.lines("by origin", [Line(name, line) for name, line in points.items()])


def _gains(trial: Trial, candidate: str) -> Plot:
    """How much better a candidate is than each other: a share of the other's deciding metric, in all and by slice."""
    from models.trial import ALL

    metric = trial.description.metrics[0]
    parts = [ALL, *trial.slices]
    groups = []
    for name in trial.judged:
        if name != candidate:
            shares = [_drawn(trial.gain(candidate, name, metric, part)) for part in parts]
            groups.append((f"better than {name}", shares))
    return figures.intervals("gains", parts, groups)


def _drawn(gain: Interval) -> figures.Interval | None:
    if not math.isfinite(gain.value):
        return None
    return figures.Interval(gain.value, *((gain.low, gain.high) if math.isfinite(gain.low) else ()))


def figures_table(trial: Trial) -> str:
    """Every metric of every candidate, with the interval of the deciding one."""
    description, names = trial.description, list(trial.judged)
    rows = []
    for metric in (*description.metrics, description.money):
        cells = [f"{trial.value(name, metric):.4f}" for name in names]
        rows.append([metric.name, *cells, f"{metric.meaning}; better {metric.better}"])
    decisive = description.metrics[0]
    bounds = [trial.figure(name, decisive) for name in names]
    shown = [f"{each.low:.4f} to {each.high:.4f}" for each in bounds]
    rows.insert(1, [f"{decisive.name}, interval", *shown, "of the figure above"])
    columns = [page.Column("metric", False), *(page.Column(name) for name in names), page.Column("meaning", False)]
    caption = f"Intervals: {description.gate.confidence:.0%}, blocks of {description.gate.block_days} days."
    return page.table("Figures", columns, rows, caption, is_wide=True)


def calibration_table(trial: Trial, candidate: str) -> str:
    """What happened less what a candidate stated, claim by claim."""
    rows = []
    for claim in trial.description.claims:
        gap = trial.gap(candidate, claim)
        rows.append([claim, f"{gap.value:+.4f}", f"{gap.low:+.4f} to {gap.high:+.4f}"])
    columns = [page.Column("claim", False), page.Column("happened less stated"), page.Column("interval")]
    margin = trial.description.gate.calibration_margin
    return page.table(f"Calibration of {candidate}", columns, rows, f"At most {margin} beyond noise is accepted.")


def tables(trial: Trial, candidate: str) -> list[str]:
    """The parts of a page that say in figures how a candidate was judged."""
    calibration = [calibration_table(trial, candidate), *group_table.tables(trial, candidate)]
    return [
        page.section("Figures", [], [figures_table(trial)]),
        *([page.section("Calibration", [], calibration)] if trial.description.claims else []),
    ]


def shown(title: str, drawn: Sequence[Figure]) -> str:
    """The part of a page that shows figures."""
    return page.section(title, [], [page.figure(each.title, each.plot, each.caption) for each in drawn])


def results_page(tested: Backtest) -> str:
    """A backtest as one HTML page."""
    from pipelines.backtest import window_text

    challenger = tested.description.challenger
    trial = tested.trial(challenger)
    lead = f"{window_text(tested.windows)}; every candidate has seen nothing after its origin."
    body = [page.prose("Too little closed history to compare.")]
    if trial is not None:
        body = [*tables(trial, challenger), shown("As judged", judged(tested, trial, challenger))]
    return page.page(f"Backtest of {tested.description.name}", lead, body)
