"""Unpacks deliveries to their end, within bounds: a small file may fill neither the disk nor the night."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, cast

import zstandard
from isal import igzip
from isal.igzip_lib import IsalError

from pipelines.errors import NightshiftError

CHUNK = 1 << 20
GZIP, ZSTD = (".gz",), (".zst", ".zstd")
# Small, because a run of one byte unpacks to thirty thousand times its size at once.
_ZSTD_CHUNK = 4 << 10
# The simulated store's text unpacks to 3 to 12 times its size; some hundred equal rows, to far more, but to little.
MAX_RATIO = 200
MAX_PLAIN_BYTES = 64 << 20
# Some years of 100,000 clicks a day as JSON. What is larger is a mistake, or better delivered in several files.
MAX_BYTES = 64 << 30
# Those 64 GiB take some ten minutes; a disk or an archive that needs an hour is not read within a night.
MAX_SECONDS = 3_600.0


class Bounds:
    """How much one file has unpacked to so far, and since when."""

    def __init__(self, path: Path, name: str) -> None:
        self._name, self._packed, self._plain = name, path.stat().st_size, 0
        self._started = time.monotonic()

    def add(self, size: int) -> None:
        """Count so many bytes more. Raises `NightshiftError` naming a file that is too much."""
        self._plain += size
        if self._plain > max(MAX_PLAIN_BYTES, self._packed * MAX_RATIO):
            raise NightshiftError(f"{self._name}: unpacks to more than {MAX_RATIO} times its size; refused as a bomb")
        if self._plain > MAX_BYTES:
            raise NightshiftError(
                f"{self._name}: is more than {MAX_BYTES >> 30} GiB unpacked; refused, deliver it in several files"
            )
        if time.monotonic() - self._started > MAX_SECONDS:
            raise NightshiftError(
                f"{self._name}: not unpacked after {MAX_SECONDS / 60:g} minutes; refused, deliver it in several files"
            )


def plain_chunks(path: Path, name: str) -> Iterator[bytes]:
    """A text file's bytes, unpacked. Raises `NightshiftError` naming a file that is damaged or unpacks without end."""
    try:
        bounds = Bounds(path, name)
        for chunk in _unpacked(path):
            bounds.add(len(chunk))
            yield chunk
    except (EOFError, igzip.BadGzipFile, IsalError, zstandard.ZstdError, OSError) as error:
        raise NightshiftError(f"{name}: damaged archive ({error}); ask for it to be delivered again") from None


def _unpacked(path: Path) -> Iterator[bytes]:
    if path.suffix in ZSTD:
        yield from _zstd_chunks(path)
        return
    with cast(IO[bytes], igzip.open(path, "rb") if path.suffix in GZIP else path.open("rb")) as file:
        yield from iter(partial(file.read, CHUNK), b"")


def _zstd_chunks(path: Path) -> Iterator[bytes]:
    """Frame by frame, since the library's reader takes a frame that breaks off for the end of the file."""
    frame = None
    with path.open("rb") as file:
        for data in iter(partial(file.read, _ZSTD_CHUNK), b""):
            rest = data
            while rest:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(rest)
                rest = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    if frame is not None:
        raise EOFError("its last frame breaks off")
