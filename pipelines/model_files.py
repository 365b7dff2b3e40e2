"""The files of a model, proven before anything reads them.

A damaged LightGBM text can crash or hang its reader, or predict something else without a word. So a file is read
into memory once, its SHA-256 compared with the one on record, and only those bytes are loaded. What has no SHA-256
on record is loaded by a process of its own, with a limit of time and memory.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import NightshiftError

if TYPE_CHECKING:
    from models.description import Model

SECONDS = 60
MEMORY_BYTES = 4 << 30
_LARGEST = 1 << 30


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 (hex) of each file."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def proven(folder: Path, sha256: Mapping[str, str]) -> dict[str, bytes]:
    """The files of a folder that are on record, as bytes; raises `NightshiftError` unless each is what it was."""
    if not sha256:
        raise NightshiftError(f"{folder}: no SHA-256 of its files is on record")
    files = {}
    for name, digest in sha256.items():
        path = folder / name
        try:
            is_readable = path.is_file() and path.stat().st_size <= _LARGEST
            files[name] = path.read_bytes() if is_readable else b""
        except OSError as error:
            raise NightshiftError(f"{name} cannot be read: {error.strerror}") from error
        if not is_readable:
            raise NightshiftError(f"{name} is missing")
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise NightshiftError(f"{name} is not the file that was registered")
    return files


def load(model: str, matures_days: int, files: Mapping[str, bytes], model_version: str) -> Model:
    """Load proven files; raises `NightshiftError` when they are another model or want other features."""
    from models.questions import question

    try:
        loaded = question(model, matures_days).load(files)
    except (ValueError, KeyError) as error:
        raise NightshiftError(str(error)) from error
    if loaded.version != model_version:
        raise NightshiftError(f"the files are those of {loaded.version}, not of {model_version}")
    return loaded


def probe(model: str, matures_days: int, files: Mapping[str, bytes], seconds: float = SECONDS) -> str:
    """Load files that nothing proves and predict with them, in a process of its own; returns the model's version.

    Raises `NightshiftError` when that process fails, crashes or takes longer than `seconds`.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        command = [sys.executable, "-m", "pipelines.probed_model", model, str(matures_days), folder]
        root = Path(__file__).parent.parent
        try:
            # A reader that chokes quotes what it has read.
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False, cwd=root
            )
        except subprocess.TimeoutExpired:
            raise NightshiftError(f"loading it took longer than {seconds:g} s") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise NightshiftError(f"loading it ended with status {done.returncode}{f': {said[-1]}' if said else ''}")
    return str(json.loads(done.stdout)["version"])
