"""The ledger: append-only, one JSON file an event. It is the memory of what was loaded, built and tried."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.home import Home, write_atomically


def canonical_json(content: Any) -> bytes:
    """The same content always as the same bytes."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=str).encode()


def fingerprint(content: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of `content`."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_fingerprint(folder: Path) -> str:
    """The name a snapshot bears: 16 hex digits that stand for its files' names and bytes."""
    return fingerprint({path.name: file_sha256(path) for path in sorted(folder.iterdir())})[:16]


def append(home: Home, kind: str, event: dict[str, Any]) -> Path:
    """Record one event under `ledger/<kind>/`; the file's name sorts by time."""
    path, content = event_file(home, kind, event)
    write_atomically(path, content)
    return path


def event_file(home: Home, kind: str, event: dict[str, Any]) -> tuple[Path, bytes]:
    """Where an event that happens now is to be recorded, and what its file holds."""
    now = datetime.now(UTC)
    event = {"recorded_at": now.isoformat(), **event}
    return home.ledger / kind / f"{now:%Y%m%dT%H%M%S%f}-{fingerprint(event)[:8]}.json", canonical_json(event)


def events(home: Home, kind: str) -> Iterator[dict[str, Any]]:
    """All events of a kind, oldest first."""
    for path in sorted((home.ledger / kind).glob("*.json")):
        yield _read(path)


def latest(home: Home, kind: str) -> dict[str, Any] | None:
    """The newest event of a kind."""
    paths = sorted((home.ledger / kind).glob("*.json"))
    return _read(paths[-1]) if paths else None


def _read(path: Path) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError:
        raise NightshiftError(f"{path} is damaged; restore it from a back-up of the home") from None
    return event


@dataclass(frozen=True)
class Partition:
    """One loaded business day of a feed, as its newest load left it."""

    feed: str
    ds: date
    sha256: str
    rows_in: int
    rows_loaded: int
    rows_duplicate: int
    rows_quarantined: int
    rows_excluded: int
    fingerprint: str
    loaded_at: str
    # The business dates of its rows, and of those they replaced.
    touched: tuple[str, ...]
    # Read from a SQL source before the day was over: what it holds is not all of the day.
    is_running: bool
    is_bulk: bool


def partitions(home: Home, feed: str) -> dict[date, Partition]:
    """The feed's business days by date, in order."""
    found: dict[date, Partition] = {}
    for event in events(home, f"loads/{feed}"):
        for entry in event["partitions"]:
            ds = date.fromisoformat(entry["ds"])
            found[ds] = Partition(
                feed=feed,
                ds=ds,
                fingerprint=event.get("fingerprint") or entry["fingerprint"],
                loaded_at=event["recorded_at"],
                touched=tuple(entry["touched"]),
                is_bulk=event["is_bulk"],
                is_running=any(file.get("is_running", False) for file in entry.get("files", ())),
                **{name: entry[name] for name in ("sha256", *ROW_COUNTS)},
            )
    return dict(sorted(found.items()))


def current_load(home: Home, feed: str) -> dict[str, Any] | None:
    """All business days of a feed as they are now, as if one load had brought them; None when nothing is loaded."""
    event: dict[str, Any] | None = None
    entries: dict[str, dict[str, Any]] = {}
    for event in events(home, f"loads/{feed}"):
        for entry in event["partitions"]:
            # Of bulk history the event names the files.
            entries[entry["ds"]] = {**entry, "files": entry["files"] or event["files"]}
    if event is None:
        return None
    own = {ds: {**entry, "files": []} if event["is_bulk"] else entry for ds, entry in entries.items()}
    load = {name: value for name, value in event.items() if name != "recorded_at"}
    return {**load, "partitions": [own[ds] for ds in sorted(own)]}


def delivered_names(home: Home, feed: str) -> dict[date, list[str]]:
    """The files that each business day was last loaded from; of bulk history all its files."""
    return {
        date.fromisoformat(entry["ds"]): [file["name"] for file in entry["files"] or event["files"]]
        for event in events(home, f"loads/{feed}")
        for entry in event["partitions"]
    }


ROW_COUNTS = ("rows_in", "rows_loaded", "rows_duplicate", "rows_quarantined", "rows_excluded")


def all_partitions(home: Home, until: date) -> list[Partition]:
    """Every loaded partition with ds <= `until`, by feed and day: what a build for `until` is a function of."""
    return [part for feed in FEEDS for ds, part in partitions(home, feed).items() if ds <= until]
