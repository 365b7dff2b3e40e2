"""Work that is killed or fails at a chosen write, rename, flush or removal, and what such work leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipelines import ledger
from pipelines.home import Home

KILLER = """
import os, pathlib, signal, sys
home, fatal = pathlib.Path(sys.argv[1]), int(sys.argv[2])
sys.path.insert(0, sys.argv[3])
from kills import counted
def kill(call):
    if call == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
with counted(kill) as calls:
{work}
print(calls.made)
"""


class Counted:
    """How many calls were made so far."""

    made = 0


@contextmanager
def counted(before: Callable[[int], None]) -> Iterator[Counted]:
    """Call `before` with its number before each write, flush, rename, link and removal that Python makes."""
    calls = Counted()

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            calls.made += 1
            before(calls.made)
            return function(*arguments, **named)

        return call

    def opened(path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        file = plain_open(path, mode, *arguments, **named)
        return _Written(file, counting) if "w" in mode else file

    plain_open = Path.open
    with (
        patch.object(os, "fsync", counting(os.fsync)),
        patch.object(os, "link", counting(os.link)),
        patch.object(Path, "replace", counting(Path.replace)),
        patch.object(Path, "unlink", counting(Path.unlink)),
        patch.object(Path, "open", opened),
    ):
        yield calls


class _Written:
    """A file whose writes are counted; half of what a failing one should write is written."""

    def __init__(self, file: Any, counting: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._file, self._count = file, counting(lambda: None)

    def write(self, content: bytes) -> int:
        half = len(content) // 2
        self._file.write(content[:half])
        self._count()
        return half + int(self._file.write(content[half:]))

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def killed_at(work: str, home: Path, call: int) -> subprocess.CompletedProcess[str]:
    """Run Python text that knows `home`; it is killed at that call, or with 0 ends and prints how many there are."""
    indented = "\n".join(f"    {line}" for line in work.strip().splitlines())
    program = KILLER.replace("{work}", indented)
    command = [sys.executable, "-c", program, str(home), str(call), str(Path(__file__).parent)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def loaded(root: Path, feed: str) -> dict[str, Any]:
    """All files below raw and quarantine, what the ledger says of the feed's days, and by how many loads."""
    home = Home(root)
    files = {
        str(path.relative_to(home.root)): path.read_bytes()
        for folder in (home.raw, home.quarantine)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".load.lock"
    }
    loads = {
        ds: (part.sha256, part.rows_in, part.rows_loaded, part.rows_quarantined)
        for ds, part in ledger.partitions(home, feed).items()
    }
    return {"files": files, "loads": loads, "events": len(list(ledger.events(home, f"loads/{feed}")))}


def leftovers(root: Path) -> list[Path]:
    """What only a load that runs has: staging, spill, files being written."""
    return [path for path in root.rglob("*") if path.suffix == ".tmp" or ".staging" in path.parts]
