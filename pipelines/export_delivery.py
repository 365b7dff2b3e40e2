"""From the files of a night to the places that settings name besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.errors import NightshiftError, UnavailableError, UsageError
from pipelines.export_night import Night
from pipelines.home import Home
from pipelines.settings import Settings

Log = Callable[[str], None]


def deliver(home: Home, settings: Settings, folders: Sequence[Path], log: Log, is_going_back: bool = False) -> None:
    """Apply nights to the database, if there is one. A table that fails holds up no other.

    Raises `NightshiftError` at the end with what failed; what is applied already is found so the next time.
    """
    if settings.export_connection is None:
        return
    from pipelines.sinks import postgres

    failed: list[NightshiftError] = []
    for night in map(Night, folders):
        try:
            applied = postgres.apply(home, settings, night, is_going_back)
        except UsageError:
            raise
        except NightshiftError as error:
            failed.append(error)
            continue
        what = {
            "applied": f"{applied.inserted:,} inserted, {applied.updated:,} updated, {applied.deleted:,} deleted",
            "unchanged": "is there already",
            "behind": "left out, a newer night is there",
        }[applied.status]
        log(f"database {settings.export_connection}: {night.table} v{night.version} as of {night.as_of}: {what}")
    if failed:
        kind = UnavailableError if all(isinstance(error, UnavailableError) for error in failed) else NightshiftError
        raise kind(f"{'; '.join(map(str, failed))}; the files are written, run the same command again")
