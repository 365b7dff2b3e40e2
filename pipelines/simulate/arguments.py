"""What a simulated store is asked to be: the same arguments give the same bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from pipelines.errors import UsageError
from pipelines.feeds import FEEDS
from pipelines.simulate.drops import FORMATS, TEXT
from pipelines.simulate.parameters import WORLD


@dataclass(frozen=True)
class Arguments:
    """`scale` 1 is about 2,000 SKUs, 60,000 customers, and in 540 days 500,000 order lines and 10 million events.

    `feeds` are those delivered, `dirty` the share of rows broken on purpose, `format` text (gzipped CSV and JSON
    Lines) or parquet. With two `currencies` orders from abroad are paid in the second.
    Raises `UsageError` when out of range.
    """

    scale: float = 0.15
    days: int = 540
    seed: int = 1
    first_day: date = date(2025, 1, 1)
    feeds: frozenset[str] = frozenset(FEEDS)
    dirty: float = 0.0
    format: str = TEXT
    currencies: int = 1

    def __post_init__(self) -> None:
        if unknown := sorted(self.feeds - set(FEEDS)):
            raise UsageError(f"no such feed: {', '.join(unknown)}; there are {', '.join(FEEDS)}")
        if not (self.scale > 0 and self.days > 0 and self.seed >= 0 and 0 <= self.dirty <= 1):
            raise UsageError("scale and days must be above 0, the seed 0 or more, the dirty share between 0 and 1")
        if self.format not in FORMATS:
            raise UsageError(f"no such format: {self.format}; there are {', '.join(FORMATS)}")
        if self.currencies not in {1, 2}:
            raise UsageError("the store has one currency or two")

    @property
    def delivered(self) -> tuple[str, ...]:
        """The feeds in the order of the contracts."""
        return tuple(feed for feed in FEEDS if feed in self.feeds)

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.days - 1)

    def record(self) -> dict[str, Any]:
        """As JSON holds them, with the version of the generating model."""
        given = {**asdict(self), "first_day": self.first_day.isoformat(), "feeds": list(self.delivered)}
        return {"world": WORLD, **given}
