"""Business days of the store and the instants in them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from pipelines.simulate.parameters import TIMEZONE
from pipelines.simulate.streams import Floats, Ints

# Instants are asked for before the first day (sign-ups) and after the last (deliveries, returns).
DAYS_BEFORE = 1_000
DAYS_AFTER = 200


class Clock:
    """Day 0 is the first business day. Instants are whole seconds since 1970 in UTC."""

    def __init__(self, first_day: date, days: int) -> None:
        zone = ZoneInfo(TIMEZONE)
        self._first = first_day
        self._starts = np.array(
            [
                int(datetime.combine(self.date(day), time(), zone).astimezone(UTC).timestamp())
                for day in range(-DAYS_BEFORE, days + DAYS_AFTER + 1)
            ],
            dtype=np.int64,
        )

    def date(self, day: int) -> date:
        return self._first + timedelta(days=day)

    def start(self, day: int | Ints) -> Ints:
        return np.asarray(self._starts[np.asarray(day) + DAYS_BEFORE])

    def length(self, day: int) -> int:
        """Seconds of that day: 23 or 25 hours when the clocks change."""
        return int(self.start(day + 1) - self.start(day))

    def within(self, day: int | Ints, fraction: Floats) -> Ints:
        """Instants inside business days, `fraction` in [0, 1) of each."""
        start = self.start(day)
        return start + (fraction * (self.start(np.asarray(day) + 1) - start)).astype(np.int64)

    def dates(self, day: Ints) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
        return np.datetime64(self._first, "D") + day
