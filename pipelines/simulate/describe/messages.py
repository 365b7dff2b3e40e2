"""What messages about abandoned carts changed: measured by the holdout, beside what was planted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipelines.simulate.describe import figures, page
from pipelines.simulate.describe.figures import Interval
from pipelines.simulate.describe.findings import Findings
from pipelines.simulate.describe.page import Column, count, percent

MOST_SEGMENTS = 12
Z_95 = 1.959963984540054


def wilson(successes: int, trials: int) -> Interval:
    """A share with its 95 % interval."""
    share, weight = successes / trials, Z_95**2 / trials
    middle = (share + weight / 2) / (1 + weight)
    half = Z_95 * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    # Exactly 0 and 1 at the ends, where the sum misses them by a rounding error.
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def difference(one: Interval, other: Interval) -> Interval:
    """The difference of two independent shares, its bounds combined from theirs (Newcombe)."""
    value = one.value - other.value
    down = math.hypot(one.value - (one.low or 0.0), (other.high or 0.0) - other.value)
    up = math.hypot((one.high or 0.0) - one.value, other.value - (other.low or 0.0))
    return Interval(value, value - down, value + up)


@dataclass(frozen=True)
class Segment:
    """Abandoned carts of one segment: how many of each group were bought after all, and the planted effect.

    A group without carts has no share, and then there is no effect to measure.
    """

    name: str
    treatment_carts: int
    treatment_bought: int
    holdout_carts: int
    holdout_bought: int
    mean_effect: float | None

    @property
    def treatment(self) -> Interval | None:
        return wilson(self.treatment_bought, self.treatment_carts) if self.treatment_carts else None

    @property
    def holdout(self) -> Interval | None:
        return wilson(self.holdout_bought, self.holdout_carts) if self.holdout_carts else None

    @property
    def effect(self) -> Interval | None:
        return difference(self.treatment, self.holdout) if self.treatment and self.holdout else None

    @property
    def planted(self) -> Interval | None:
        return None if self.mean_effect is None else Interval(self.mean_effect)


def experiment(found: Findings, most: int) -> list[Segment]:
    """The segments with most carts in the experiment, and last all of them together."""
    rows = found.rows(
        """
        select case when grouping(segment) = 1 then 'all' else coalesce(segment, 'none') end,
            count(*) filter (experiment_group = 'treatment'),
            count(*) filter (experiment_group = 'treatment' and is_purchased),
            count(*) filter (experiment_group = 'holdout'),
            count(*) filter (experiment_group = 'holdout' and is_purchased),
            avg(knowable_message_effect)
        from cart where state = 'abandoned' and experiment_group in ('treatment', 'holdout')
        group by grouping sets ((segment), ())
        having count(*) > 0
        order by grouping(segment), count(*) desc, segment
        """
    )
    segments = [Segment(*row) for row in rows]
    return segments[:-1][:most] + segments[-1:]


def conversion(found: Findings) -> str:
    segments = experiment(found, MOST_SEGMENTS)
    plot = figures.intervals(
        "conversion",
        [segment.name for segment in segments],
        [
            ("message", [segment.treatment for segment in segments]),
            ("holdout", [segment.holdout for segment in segments]),
        ],
    )
    return page.figure(
        "Abandoned carts bought within 7 days, by segment",
        plot,
        "Share of the carts in the experiment, with 95 % intervals (Wilson): who got a message was drawn at random, so "
        "the holdout shows what would have been bought anyway.",
    )


def message_effect(found: Findings) -> str:
    segments = experiment(found, MOST_SEGMENTS)
    plot = figures.intervals(
        "message_effect",
        [segment.name for segment in segments],
        [
            ("measured", [segment.effect for segment in segments]),
            ("planted", [segment.planted for segment in segments]),
        ],
    )
    return page.figure(
        "Effect of the message, measured and planted",
        plot,
        "Message less holdout, with 95 % intervals (Newcombe), beside the mean of `knowable_message_effect` in "
        "`cart.parquet`, which is the truth (`CartParameters.segments`): about one interval in twenty should miss it.",
    )


def experiment_table(found: Findings) -> str:
    rows = [
        (
            segment.name,
            f"{count(segment.treatment_carts)} / {count(segment.holdout_carts)}",
            *(_with_bounds(part) for part in (segment.treatment, segment.holdout, segment.effect, segment.planted)),
        )
        for segment in experiment(found, MOST_SEGMENTS)
    ]
    columns = ("carts (message / holdout)", "bought after message", "bought in holdout", "effect", "planted")
    return page.table(
        "The experiment in numbers",
        (Column("segment", False), *(Column(name) for name in columns)),
        rows,
        "The two figures above as numbers, with 95 % intervals; an effect is a difference, in percentage points, and "
        "planted is the mean of `knowable_message_effect`.",
        is_wide=True,
    )


def _with_bounds(estimate: Interval | None) -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return percent(estimate.value)
    return f"{percent(estimate.value)} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"
