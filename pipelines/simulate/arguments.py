"""What a simulated store is asked to be: the same arguments give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from pipelines.errors import UsageError
from pipelines.feeds import FEEDS
from pipelines.simulate.drops import FORMATS, TEXT
from pipelines.simulate.parameters import WORLD


@dataclass(frozen=True)
class Arguments:
    """Raises `UsageError` when out of range. `feeds` are in the order of the contracts."""

    scale: float
    days: int
    seed: int
    first_day: date
    feeds: tuple[str, ...]
    dirty: float
    currencies: int = 1
    format: str = TEXT

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.feeds) - set(FEEDS)):
            raise UsageError(f"no such feed: {', '.join(unknown)}; there are {', '.join(FEEDS)}")
        if not (self.scale > 0 and self.days > 0 and self.seed >= 0 and 0 <= self.dirty <= 1):
            raise UsageError("scale and days must be above 0, the seed 0 or more, the dirty share between 0 and 1")
        if self.format not in FORMATS:
            raise UsageError(f"no such format: {self.format}; there are {', '.join(FORMATS)}")

        if self.currencies not in {1, 2}:
            raise UsageError("currencies must be 1 or 2")

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.days - 1)

    @staticmethod
    def ordered(feeds: Sequence[str] | None) -> tuple[str, ...]:
        """The feeds in the order of the contracts, unknown names last; None means all."""
        return tuple(FEEDS) if feeds is None else tuple(sorted(set(feeds), key=[*FEEDS, *feeds].index))

    def record(self) -> dict[str, Any]:
        """As JSON holds them, with the version of the generating model."""
        given = {**asdict(self), "first_day": self.first_day.isoformat(), "feeds": list(self.feeds)}
        return {"world": WORLD, **given}
