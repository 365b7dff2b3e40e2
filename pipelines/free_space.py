"""Whether the disk has room for a night, asked before the night begins."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.settings import Settings

_MB = 1_000_000
# A warehouse built anew, or grown by a day, and the copy of it that is published.
_WAREHOUSES = 2


def refuse_too_little(home: Home, settings: Settings) -> None:
    """Raise `NightshiftError` where a night as large as the last one would leave less than the setting says."""
    free, night = shutil.disk_usage(home.root).free, _night_bytes(home)
    if free < night + settings.min_free_mb * _MB:
        raise NightshiftError(
            f"{home.root}: {megabytes(free)} are free, a night writes about {megabytes(night)} and is to leave "
            f"{settings.min_free_mb:,.0f} MB (NIGHTSHIFT_MIN_FREE_MB); make room, as by nightshift prune"
        )


def _night_bytes(home: Home) -> int:
    warehouse = home.warehouse.stat().st_size if home.warehouse.exists() else 0
    snapshots = [size(folder) for folder in home.snapshots.glob("*/")]
    return _WAREHOUSES * warehouse + max(snapshots, default=0)


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file() and not each.is_symlink())


def freed_by(going: Iterable[Path]) -> int:
    """Bytes that removing these files and folders frees: a file that has another name elsewhere stays."""
    names: Counter[tuple[int, int]] = Counter()
    held: dict[tuple[int, int], os.stat_result] = {}
    for path in going:
        for each in path.rglob("*") if path.is_dir() else (path,):
            if each.is_file() and not each.is_symlink():
                status = each.stat()
                names[status.st_dev, status.st_ino] += 1
                held[status.st_dev, status.st_ino] = status
    return sum(status.st_size for file, status in held.items() if names[file] == status.st_nlink)


def megabytes(count: float) -> str:
    return f"{count / _MB:,.1f} MB"
