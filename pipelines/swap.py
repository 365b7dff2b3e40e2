"""Several files put in their places as one change: each appears whole, and all go back when one of them fails."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pipelines.home import move_durably


class Swap:
    """What is put or removed within the `with` block stays so only if the block ends without an error.

    `aside` holds what was there before, on the same file system. A kill undoes nothing; what it left is mended by
    doing the same again.
    """

    def __init__(self, aside: Path) -> None:
        self._aside = aside
        self._changed: list[tuple[Path, Path | None]] = []

    def __enter__(self) -> Swap:
        self._aside.mkdir()
        return self

    def put(self, beside: Path, target: Path) -> None:
        """Rename a finished file over `target`, durably."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self._keep(target)
        move_durably(beside, target)

    def remove(self, target: Path) -> None:
        if target.exists():
            self._keep(target)
            target.unlink()

    def _keep(self, target: Path) -> None:
        kept = self._aside / str(len(self._changed)) if target.exists() else None
        if kept:
            try:
                os.link(target, kept)
            except OSError:
                # Some file systems have no second names for a file.
                shutil.copyfile(target, kept)
        self._changed.append((target, kept))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        for target, kept in reversed(self._changed):
            if kept:
                kept.replace(target)
            else:
                target.unlink(missing_ok=True)
                with suppress(OSError):
                    target.parent.rmdir()
