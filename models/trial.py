"""Candidates judged on the same cases: their figures, and how much better one is than another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import bootstrap
from models.bootstrap import Floats, Interval
from models.description import Description, Metric

ALL = "all"
# Before the name of a slice: all cases but its own.
BUT = "all but "


@dataclass(frozen=True)
class Trial:
    """The judged cases of each candidate by name, row for row the same cases.

    `part` is `all`, one of `slices` or `groups`, or with `all but ` before it what is not of that one.
    """

    description: Description
    judged: Mapping[str, pd.DataFrame]
    _values: dict[tuple[str, str, str], Floats] = field(default_factory=dict, repr=False, compare=False)
    _numbered: dict[str, NDArray[np.int64]] = field(default_factory=dict, repr=False, compare=False)
    _grouped: dict[str | None, NDArray[np.int64]] = field(default_factory=dict, repr=False, compare=False)

    def value(self, name: str, metric: Metric, part: str = ALL) -> float:
        """A candidate's metric."""
        return float(self._drawn(name, metric, part)[0])

    def figure(self, name: str, metric: Metric, part: str = ALL) -> Interval:
        """A candidate's metric with its interval."""
        return self._interval(self._drawn(name, metric, part), part)

    def gain(self, name: str, other: str, metric: Metric, part: str = ALL) -> Interval:
        """How much better the first candidate is, as a share of the other's metric."""
        first, second = (self._drawn(one, metric, part) for one in (name, other))
        return self._interval(bootstrap.gain(first, second, metric.better), part)

    def gap(self, name: str, claim: str, part: str = ALL) -> Interval:
        """Of a candidate's claim, what happened less what was stated."""
        return self._mean(self._column(name, f"{claim}.gap", part), part)

    def stated(self, name: str, claim: str, part: str = ALL) -> Interval:
        """The mean chance that a candidate stated, where its claim states one a case."""
        return self._mean(self._column(name, f"{claim}.stated", part), part)

    def chances(self, name: str, claim: str) -> dict[str, tuple[Floats, Floats]]:
        """Of a candidate's claim, by moment of decision: the chances stated and what happened, 0 or 1 a case.

        Empty where a claim states the same chance of every case.
        """
        if f"{claim}.stated" not in self.judged[name]:
            return {}
        stated = self._column(name, f"{claim}.stated", ALL)
        happened, moments = stated + self._column(name, f"{claim}.gap", ALL), self.description.moments
        if moments is None:
            return {ALL: (stated, happened)}
        at = self._any[moments].to_numpy()
        return {str(each): (stated[at == each], happened[at == each]) for each in pd.unique(at)}

    def cases(self, part: str = ALL) -> int:
        return len(self._blocks(part))

    @property
    def slices(self) -> tuple[str, ...]:
        """Every slice that is large enough to be judged by itself."""
        return self._large(self.description.slices)

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group that is large enough to be judged by itself."""
        return self._large(self.description.groups)

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

    @property
    def _any(self) -> pd.DataFrame:
        return next(iter(self.judged.values()))

    def _large(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(part for part, (column, _) in self._parts.items() if column in columns)

    @cached_property
    def _parts(self) -> dict[str, tuple[str, object]]:
        """Column and value of each slice and group, by its name."""
        parts: dict[str, tuple[str, object]] = {}
        for column in dict.fromkeys((*self.description.slices, *self.description.groups)):
            for value, count in self._any[column].value_counts().sort_index().items():
                if self.description.gate.fewest_cases <= count < len(self._any):
                    parts[f"{column} {value}"] = (column, value)
        return parts

    def _rows(self, part: str) -> NDArray[np.bool_]:
        column, value = self._parts[part]
        return np.asarray(self._any[column] == value, bool)

    def _in(self, part: str) -> NDArray[np.bool_] | slice:
        if part == ALL:
            return slice(None)
        return ~self._rows(part.removeprefix(BUT)) if part.startswith(BUT) else self._rows(part)

    @cached_property
    def _every_block(self) -> NDArray[np.int64]:
        at = self._any["at"]
        return bootstrap.blocks(at, self.description.gate.block_days, at.to_numpy("datetime64[D]").max())

    def _blocks(self, part: str) -> NDArray[np.int64]:
        """The block of each case of a part, numbered from 0 without gaps."""
        if part not in self._numbered:
            block = self._every_block[self._in(part)]
            self._numbered[part] = np.unique(block, return_inverse=True)[1].astype(np.int64)
        return self._numbered[part]

    def _group(self, by: str | None) -> NDArray[np.int64]:
        """The group of each case, the same for all candidates; one group without a column to go by."""
        if by not in self._grouped:
            codes = pd.factorize(self._any[by])[0] if by else np.zeros(len(self._any))
            self._grouped[by] = codes.astype(np.int64)
        return self._grouped[by]

    def _column(self, name: str, column: str, part: str) -> Floats:
        return self.judged[name][column].to_numpy(np.float64)[self._in(part)]

    def _drawn(self, name: str, metric: Metric, part: str) -> Floats:
        key = (name, metric.name, part)
        if key not in self._values:
            above = self._column(name, f"{metric.name}.part", part)
            below = self._column(name, f"{metric.name}.whole", part)
            group = self._group(metric.by)[self._in(part)]
            self._values[key] = bootstrap.sums(above, below, group, self._blocks(part), metric.is_root).values()
        return self._values[key]

    def _mean(self, values: Floats, part: str) -> Interval:
        group = np.zeros(len(values), np.int64)
        sums = bootstrap.sums(values, np.ones(len(values)), group, self._blocks(part), is_root=False)
        return self._interval(sums.values(), part)

    def _interval(self, values: Floats, part: str) -> Interval:
        blocks = int(self._blocks(part).max(initial=-1)) + 1
        return bootstrap.interval(values, blocks, self.description.gate.confidence)
