"""What differs between the partitions a warehouse was built from and those that are loaded: what a build makes anew.

A build writes down beside the warehouse which partitions it holds. The next one compares: a partition that was added,
replaced or removed since has changed, and touches the business dates of its rows, then and now. A build that broke off
leaves what it had begun with marked as changed, so that the next one goes over it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from pipelines import ledger
from pipelines.home import write_atomically
from pipelines.ledger import Partition

_EVENTS = "events"
_UNKNOWN = ""


@dataclass(frozen=True)
class HeldPartition:
    """A partition as the warehouse has it; without a hash where it is not, or not wholly, in there."""

    sha256: str
    dates: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """What a warehouse was built from: by feed and business day the partitions, and all else that shapes its rows."""

    recipe: str
    as_of: date
    partitions: dict[str, dict[date, HeldPartition]]
    # A build that goes by changes began and has not ended.
    is_broken_off: bool = False

    @classmethod
    def read(cls, warehouse: Path) -> Held | None:
        path = _file(warehouse)
        if not path.exists() or not warehouse.exists():
            return None
        content = json.loads(path.read_text())
        partitions = {
            feed: {date.fromisoformat(ds): HeldPartition(sha256, tuple(dates)) for ds, (sha256, dates) in days.items()}
            for feed, days in content["partitions"].items()
        }
        return cls(content["recipe"], date.fromisoformat(content["as_of"]), partitions, content["is_broken_off"])

    def write(self, warehouse: Path) -> None:
        partitions = {
            feed: {str(ds): [part.sha256, part.dates] for ds, part in days.items()}
            for feed, days in self.partitions.items()
        }
        write_atomically(_file(warehouse), ledger.canonical_json({**asdict(self), "partitions": partitions}))


def forget_held(warehouse: Path) -> None:
    """Let the next build make everything."""
    _file(warehouse).unlink(missing_ok=True)


def held_after(parts: Sequence[Partition], partly_known: Iterable[tuple[str, date]], recipe: str, as_of: date) -> Held:
    """What a warehouse holds that was just built from `parts`.

    `partly_known` are the partitions with rows that become known only after `as_of`, as bulk history has them.
    """
    partly = set(partly_known)
    partitions: dict[str, dict[date, HeldPartition]] = {}
    for part in parts:
        sha256 = _UNKNOWN if (part.feed, part.ds) in partly else part.sha256
        partitions.setdefault(part.feed, {})[part.ds] = HeldPartition(sha256, part.touched)
    return Held(recipe, as_of, partitions)


@dataclass(frozen=True)
class Changes:
    """Business days by feed whose partition changed since a build, and the dates of the clicks in them."""

    since: date
    partitions: dict[str, list[date]]
    event_dates: list[date]
    is_resumed: bool
    marked: Held = field(repr=False)

    @property
    def count(self) -> int:
        """Partitions that changed."""
        return sum(map(len, self.partitions.values()))

    def variable(self) -> dict[str, object]:
        """As dbt is told."""
        return {
            "since": str(self.since),
            "partitions": {feed: [str(ds) for ds in days] for feed, days in self.partitions.items()},
            "event_dates": [str(day) for day in self.event_dates],
            "is_resumed": self.is_resumed,
        }


def changes(held: Held, parts: Sequence[Partition]) -> Changes:
    """Compare what is held with what is loaded; `marked` is what to write down before the build begins."""
    loaded: dict[str, dict[date, Partition]] = {}
    for part in parts:
        loaded.setdefault(part.feed, {})[part.ds] = part
    changed: dict[str, list[date]] = {}
    marked = {feed: dict(days) for feed, days in held.partitions.items()}
    for feed in loaded.keys() | held.partitions.keys():
        old, new = held.partitions.get(feed, {}), loaded.get(feed, {})
        for ds in sorted(old.keys() | new.keys()):
            if ds not in old or ds not in new or old[ds].sha256 != new[ds].sha256:
                changed.setdefault(feed, []).append(ds)
                dates = {*(old[ds].dates if ds in old else ()), *(new[ds].touched if ds in new else ())}
                marked.setdefault(feed, {})[ds] = HeldPartition(_UNKNOWN, tuple(sorted(dates)))
    event_dates = {day for ds in changed.get(_EVENTS, ()) for day in marked[_EVENTS][ds].dates}
    return Changes(
        held.as_of,
        changed,
        sorted(map(date.fromisoformat, event_dates)),
        held.is_broken_off,
        Held(held.recipe, held.as_of, marked, is_broken_off=True),
    )


def _file(warehouse: Path) -> Path:
    return warehouse.with_suffix(".held.json")
