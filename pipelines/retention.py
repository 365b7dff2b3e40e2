"""What of a home may go: one policy for every folder.

Raw rows, quarantine, ledger and decisions stay: every night is made of all that came before it. What nights made is
kept as the settings say, and beyond them what latest.json names, what a kept night's delta is against, what the
champions learned from, and the files of every model that a kept night names.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from models.questions import NAMES
from pipelines import decisions, free_space, kept_snapshots, published
from pipelines.export_night import LATEST, MANIFEST, Night, nights
from pipelines.home import Home
from pipelines.settings import Settings

_DAY_SECONDS = 86_400
STAYS = ("landing", "raw", "quarantine", "spool", "suppressed", "ledger", "decisions", "erasures")


@dataclass(frozen=True)
class Rule:
    """What stays of a folder, in words, and the files and folders that may go, and the bytes that this frees."""

    folder: str
    stays: str
    going: tuple[Path, ...]
    going_bytes: int

    @classmethod
    def of(cls, folder: str, stays: str, going: Iterable[Path]) -> Rule:
        paths = tuple(sorted(going))
        return cls(folder, stays, paths, free_space.freed_by(paths))


def rules(home: Home, settings: Settings) -> list[Rule]:
    """The policy on a home as it is now; raises `NightshiftError` for a manifest that cannot be read."""
    kept = _kept_nights(home, settings.keep_exports)
    of_nights = f"the newest {settings.keep_exports} nights, and the night that the oldest of them is compared with"
    snapshots = kept_snapshots.kept(home, settings.keep_snapshots)
    return [
        Rule.of("exports", f"{of_nights}, and what {LATEST} names", _exports(home, kept)),
        Rule.of("predictions", of_nights, _predictions(home, settings.keep_exports, {night.as_of for night in kept})),
        Rule.of(
            "snapshots",
            f"those of the newest {settings.keep_snapshots} builds, of {LATEST} and of what the champions learned from",
            (path for path in home.snapshots.glob("[!.]*/") if path.name not in snapshots),
        ),
        Rule.of("published", f"the newest {settings.keep_published} days", _published(home, settings.keep_published)),
        Rule.of(
            "mlflow",
            f"runs and figures; files of the newest {settings.keep_models} champions and {settings.keep_models} others "
            "of a model, and of those that kept exports name",
            _models(home, settings.keep_models, {name for night in kept for name in night.manifest["model_versions"]}),
        ),
        Rule.of("logs", f"{settings.keep_log_days} days", _logs(home, settings.keep_log_days)),
    ]


def prune(home: Home, settings: Settings, owner: str) -> list[Rule]:
    """Remove what may go and say what went. A night that runs is waited for; what a reader has open stays with it.

    Raises `HomeBusyError` when the home is not free in time. Killed, it is run again.
    """
    with home.held(owner, settings.lease_minutes, settings.lock_wait_seconds):
        found = rules(home, settings)
        for rule in found:
            for path in rule.going:
                _remove(path)
    return found


def _kept_nights(home: Home, keep: int) -> list[Night]:
    by_table: dict[Path, list[Night]] = {}
    for night in nights(home):
        by_table.setdefault(night.folder.parent, []).append(night)
    kept = []
    for root, found in by_table.items():
        found.sort(key=lambda night: night.as_of)
        # Without the one before them the oldest could not be made again: its delta would be against nothing.
        kept += found[-keep - 1 :]
        kept += [night for night in found[: -keep - 1] if f"{night.folder.name}/{MANIFEST}" == _latest(root)]
    return kept


def _latest(root: Path) -> str | None:
    path = root / LATEST
    return str(json.loads(path.read_bytes())["manifest"]) if path.exists() else None


def _exports(home: Home, kept: list[Night]) -> Iterator[Path]:
    """Nights that are not kept, and what a prune that was killed left of one."""
    folders = {night.folder for night in kept}
    return (path for path in home.exports.glob("*/v*/as_of=*/") if path not in folders)


def _predictions(home: Home, keep: int, exported: set[date]) -> Iterator[Path]:
    names = {f"as_of={day}" for day in exported}
    for model in home.predictions.glob("*/"):
        found = sorted(model.glob("as_of=*/"))
        yield from (path for path in found[: -keep - 1] if path.name not in names)


def _published(home: Home, keep: int) -> Iterator[Path]:
    return (published.of_day(home, day) for day in published.days(home)[:-keep])


def _models(home: Home, keep: int, named: set[str]) -> set[Path]:
    """Folders of versions that were decided on: only then has their training ended."""
    going = set()
    for model in NAMES:
        champions = {version.registered_version for version in decisions.champions_of(home, model)[:keep]}
        versions = {event["registered_version"]: event for event in decisions.events(home, model)}
        others = [number for number in versions if number not in champions][-keep:]
        for number, event in versions.items():
            folder = (home.root / event["folder"]).parent
            is_kept = number in {*champions, *others} or event["model_version"] in named
            if not is_kept and folder.is_dir() and home.mlflow in folder.parents:
                going.add(folder)
    return going


def _logs(home: Home, days: int) -> Iterator[Path]:
    oldest = time.time() - days * _DAY_SECONDS
    found = (path for top in (home.airflow / "logs", home.root / "dbt" / "logs") for path in _files(top))
    for path in found:
        # Airflow may take its own logs meanwhile.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                yield path


def _files(top: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(top):
        yield from (Path(folder) / name for name in names if not (Path(folder) / name).is_symlink())


def _remove(path: Path) -> None:
    """A night's manifest goes first: what is half removed is no night any more."""
    if path.is_dir():
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)
        return
    path.unlink(missing_ok=True)
    # A folder of logs, or of a published day, that is empty now.
    with suppress(OSError):
        path.parent.rmdir()
