"""Raw partitions replaced by others as one change: planned, made beside, swapped in, recorded.

A plan lists every file with the hash of what it becomes, and the load event of each feed. It is written when all new
files lie beside their old ones. From then on the change is carried out: killed anywhere, `finish` goes on with it.
Until then nothing has changed, and what lies beside is thrown away by the next attempt.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipelines import ledger, raw_partitions, scratch
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.home import Home, move_durably, write_atomically

_BESIDE = ".rewriting"
Log = Callable[[str], None]


def plan_file(home: Home) -> Path:
    return home.root / "rewriting.json"


def refuse_half_done(home: Home) -> None:
    """Raise `NightshiftError` with the command to run when a change broke off after it was planned."""
    if plan_file(home).exists():
        raise NightshiftError(
            f"raw/ is half rewritten, since a command broke off; finish it with: {_plan(home)['command']}"
        )


@contextmanager
def load_locked(home: Home, feed: str, log: Log) -> Iterator[None]:
    """One load of a feed at a time, whoever runs it; the system drops the lock when its process dies."""
    folder = home.raw / feed
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".load.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"{feed}: another load of this feed is running; waiting for its end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def loads_locked(home: Home, log: Log) -> Iterator[None]:
    """No feed is loaded meanwhile; waits for loads that run, and says for which."""
    with ExitStack() as locks:
        for feed in FEEDS:
            locks.enter_context(load_locked(home, feed, log))
        yield


def partition_file(home: Home, feed: str, entry: Mapping[str, Any]) -> Path:
    return home.raw / feed / f"ds={entry['ds']}" / "data.parquet"


def beside(path: Path) -> Path:
    """Where the new content of a file is made, until `carry_out` swaps it in."""
    folder = path.parent / _BESIDE
    folder.mkdir(parents=True, exist_ok=True)
    return folder / path.name


def refuse_unknown(home: Home, feed: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Raise `NightshiftError` unless the feed's partitions are those of the ledger: damaged ones are not rewritten."""
    known = {partition_file(home, feed, entry): entry for entry in entries}
    for path, entry in known.items():
        if not path.exists() or ledger.file_sha256(path) != entry["sha256"]:
            raise raw_partitions.not_as_recorded(path, feed, entry["ds"])
    for path in sorted((home.raw / feed).glob("ds=*/data.parquet")):
        if path not in known:
            raise raw_partitions.not_recorded(path)


def clear(home: Home) -> None:
    """Throw away what an attempt without a plan left beside, or spilled."""
    scratch.clear(home)
    for top in (home.raw, home.suppressed):
        for folder in list(top.rglob(_BESIDE)):
            shutil.rmtree(folder)


def carry_out(home: Home, command: str, files: Sequence[Path], loads: Mapping[str, dict[str, Any]]) -> None:
    """Swap in what lies beside these files and record the loads, by feed; `command` is how a person finishes it."""
    for path in files:
        new = beside(path)
        move_durably(new, new)
    plan = {
        "command": command,
        "files": {path.relative_to(home.root).as_posix(): ledger.file_sha256(beside(path)) for path in files},
        "loads": loads,
    }
    write_atomically(plan_file(home), ledger.canonical_json(plan))
    finish(home)


def finish(home: Home) -> str | None:
    """Carry out the plan, if there is one; returns the command that had planned it."""
    if not plan_file(home).exists():
        clear(home)
        return None
    plan = _plan(home)
    for name, sha256 in plan["files"].items():
        path = home.root / name
        if (new := path.parent / _BESIDE / path.name).exists():
            move_durably(new, path)
        elif ledger.file_sha256(path) != sha256:
            raise NightshiftError(f"{path} is not what was planned for it; restore the home from a back-up")
    for feed, event in plan["loads"].items():
        newest = ledger.latest(home, f"loads/{feed}") or {}
        if any(newest.get(name) != value for name, value in event.items()):
            ledger.append(home, f"loads/{feed}", event)
    clear(home)
    plan_file(home).unlink()
    return str(plan["command"])


def _plan(home: Home) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(plan_file(home).read_bytes())
    return plan
