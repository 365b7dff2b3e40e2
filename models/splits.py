"""Time-ordered windows. A forecast is judged only on days that lie after everything it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class ClosedWindow:
    """Days `first`..`last`, whose outcome is known; a forecast for them knows what was known on `origin`."""

    origin: date
    horizon_days: int

    @property
    def first(self) -> date:
        return self.origin + timedelta(days=1)

    @property
    def last(self) -> date:
        return self.origin + timedelta(days=self.horizon_days)


def closed_windows(as_of: date, horizon_days: int, count: int) -> list[ClosedWindow]:
    """The `count` newest windows of `horizon_days` that end by `as_of`, newest first, side by side."""
    return [ClosedWindow(as_of - timedelta(days=horizon_days * (number + 1)), horizon_days) for number in range(count)]
