"""Work in a process of its own that is killed at a chosen rename, flush or removal, and what such work leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from pipelines import ledger
from pipelines.home import Home

KILLER = """
import os, pathlib, signal, sys
home, fatal = pathlib.Path(sys.argv[1]), int(sys.argv[2])
calls = 0
def counting(function):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call
os.fsync = counting(os.fsync)
pathlib.Path.replace = counting(pathlib.Path.replace)
pathlib.Path.unlink = counting(pathlib.Path.unlink)
{work}
print(calls)
"""


def killed_at(work: str, home: Path, call: int) -> subprocess.CompletedProcess[str]:
    """Run Python text that knows `home`; it is killed at that call, or with 0 ends and prints how many there are."""
    command = [sys.executable, "-c", KILLER.replace("{work}", work), str(home), str(call)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def loaded(root: Path, feed: str) -> dict[str, Any]:
    """All files below raw and quarantine, and what the ledger says of the feed's days."""
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
    return {"files": files, "loads": loads}
