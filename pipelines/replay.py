"""A past night of an export, delivered again: the same bytes to a folder, or the rows into the database."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

from pipelines import export_delivery
from pipelines.errors import NightshiftError, UsageError
from pipelines.export_night import DDL_FILE, MANIFEST, SCHEMA_FILE, Night, nights
from pipelines.exports import move_latest
from pipelines.home import Home, move_durably
from pipelines.settings import Settings
from pipelines.sinks.places import Database, Place, Store
from pipelines.uris import checked_prefix

Log = Callable[[str], None]


def find(home: Home, table: str, as_of: date | None, version: int | None) -> Night:
    """The night in the home, the newest day and major version unless told; an error names what there is."""
    there = [night for night in nights(home, table) if version in (None, night.version)]
    found = [night for night in there if as_of in (None, night.as_of)]
    if not there:
        tables = sorted({night.table for night in nights(home)})
        if not tables:
            raise NightshiftError(f"nothing is exported in {home.root} yet; run: nightshift run")
        raise UsageError(
            f"there is no export {table}{f' v{version}' if version else ''}; there are: {', '.join(tables)}"
        )
    if not found:
        raise NightshiftError(
            f"{table} as of {as_of} is not kept; the kept days are {there[0].as_of} to {there[-1].as_of}; "
            f"make it again: nightshift run --as-of {as_of}"
        )
    return found[-1]


def to_folder(night: Night, target: Path) -> Path:
    """Copy a night, proven whole, byte by byte below `target`, laid out as in a home; its manifest comes last.

    `latest.json` there points to it. Raises `NightshiftError` when the files are not what the manifest says.
    """
    night.refuse_damaged()
    root = target / night.table / f"v{night.version}"
    folder = root / night.folder.name
    if folder.resolve() == night.folder.resolve():
        raise UsageError(f"--to {target} is where the night lies already; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (SCHEMA_FILE, DDL_FILE):
        _copy(night.folder.parent / name, root / name)
    for name in (*(file["name"] for file in night.files), MANIFEST):
        _copy(night.folder / name, folder / name)
    move_latest(root, night.manifest, is_going_back=True)
    return folder


def to_database(home: Home, settings: Settings, night: Night, log: Log) -> None:
    """Make the database's table hold a night, also an earlier one than it holds."""
    if settings.export_connection is None:
        raise UsageError("there is no database to go to: set NIGHTSHIFT_EXPORT_CONNECTION to a connection's name")
    _to(home, night, Database(home, settings), log)


def to_store(home: Home, settings: Settings, night: Night, uri: str, log: Log) -> None:
    """Make an S3 store hold a night below a uri; `latest.json` there names it."""
    try:
        checked_prefix(uri)
    except ValueError as error:
        raise UsageError(f"--to {uri}: {error}") from None
    _to(home, night, Store(home, settings, uri), log)


def _to(home: Home, night: Night, place: Place, log: Log) -> None:
    if failed := export_delivery.deliver(home, [night.folder], [place], log, is_going_back=True):
        raise NightshiftError(f"{failed[0].error}; run the same command again")


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        beside = target.with_name(f".{target.name}.tmp")
        shutil.copyfile(source, beside)
        move_durably(beside, target)
