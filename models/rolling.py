"""Rolling origins: what each candidate would have said on closed windows, having seen nothing later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from types import TracebackType
from typing import Any

import pandas as pd

from models.description import Description, Model, Question, Recipe, TooLittleDataError
from models.splits import ClosedWindow, closed_windows


@dataclass(frozen=True)
class Judged:
    """One candidate on one window, row by row as `Question.judge` gives it; None where there was too little data."""

    candidate: str
    window: ClosedWindow
    cases: pd.DataFrame | None


def windows_of(
    description: Description, days: tuple[date, date] | None, matures_days: int, count: int
) -> list[ClosedWindow]:
    """Up to `count` newest closed windows, newest first, of which each can be forecast and its spread be known.

    The outcome of decisions that are taken on each day of a window is known a window's length after it.

    The spread comes from the window before, so the oldest needs another one and `fewest_days` before that. Before
    each lies at least half of the history: with less, the candidates were others than today's.
    """
    if days is None:
        return []
    first, last = days
    needed = max(timedelta(days=matures_days + description.fewest_days - 1), (last - first) / 2)
    closed = last - timedelta(days=matures_days) if description.is_decided_daily else last
    return [window for window in closed_windows(closed, matures_days, count) if window.origin - needed >= first]


class Rolling:
    """Fits of recipes at several origins, side by side in `threads`; what was learned at an origin is kept.

    A window's origin is the end of the window before it, so one fit forecasts the one and is judged on the other
    for its spread.
    """

    def __init__(self, question: Question, history: Any, recipes: Mapping[str, Recipe], threads: int) -> None:
        self._question, self._history, self._recipes = question, history, recipes
        self._pool = ThreadPoolExecutor(max_workers=threads)
        self._learned: dict[tuple[str, date], Future[Any]] = {}

    def __enter__(self) -> Rolling:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def judged(self, wanted: Mapping[ClosedWindow, Sequence[str]]) -> Iterator[Judged]:
        """Each window's candidates, in the order given."""
        for window, candidates in wanted.items():
            for name in candidates:
                self._learn(name, window.origin)
                if self._question.needs_window_before:
                    self._learn(name, _before(window).origin)
        for window, candidates in wanted.items():
            if not candidates:
                continue
            before, now = self._cases(_before(window)), self._question.cases(self._history, window)
            for name in candidates:
                try:
                    model = self._finished(name, window.origin, _before(window).origin, before)
                except TooLittleDataError:
                    yield Judged(name, window, None)
                else:
                    yield Judged(name, window, self._question.judge(model, now))

    def fit(self, name: str, as_of: date, matures_days: int) -> Model:
        """The candidate's model that knows all up to `as_of`, complete; raises `TooLittleDataError`."""
        window = closed_windows(as_of, matures_days, 1)[0]
        finished = self._finished(name, as_of, window.origin, self._cases(window))
        return self._question.complete(self._recipes[name], finished, self._history, as_of)

    def _cases(self, window: ClosedWindow) -> Any:
        return self._question.cases(self._history, window) if self._question.needs_window_before else None

    def _finished(self, name: str, as_of: date, earlier: date, cases: Any) -> Model:
        before = self._learn(name, earlier).result() if self._question.needs_window_before else None
        return self._question.finish(self._recipes[name], self._learn(name, as_of).result(), before, cases)

    def _learn(self, name: str, as_of: date) -> Future[Any]:
        if (name, as_of) not in self._learned:
            learn = self._question.learn
            self._learned[name, as_of] = self._pool.submit(learn, self._recipes[name], self._history, as_of)
        return self._learned[name, as_of]


def _before(window: ClosedWindow) -> ClosedWindow:
    return closed_windows(window.origin, window.horizon_days, 1)[0]
