"""A delivered text file as plain bytes in UTF-8, unpacked to its end: all that follows knows one form only."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, cast

import zstandard
from isal import igzip
from isal.igzip_lib import IsalError

from pipelines.errors import NightshiftError
from pipelines.sources import UTF_8

CHUNK = 1 << 20
GZIP, ZSTD = (".gz",), (".zst", ".zstd")
_MAX_RATIO = 200
# Small, because a run of one byte unpacks to thirty thousand times its size at once.
_ZSTD_CHUNK = 4 << 10
_MAX_PLAIN_BYTES = 64 << 20


def is_plain(path: Path, encoding: str) -> bool:
    """Whether the file's own bytes are what `utf8_chunks` gives."""
    return encoding == UTF_8 and path.suffix not in GZIP + ZSTD


def utf8_chunks(path: Path, name: str, encoding: str) -> Iterator[bytes]:
    """A text file's bytes, unpacked and in UTF-8. Raises `NightshiftError` naming a file that is damaged."""
    chunks = plain_chunks(path, name)
    return chunks if encoding == UTF_8 else _encoded(chunks, name, encoding)


def plain_chunks(path: Path, name: str) -> Iterator[bytes]:
    """A text file's bytes, unpacked. Raises `NightshiftError` naming a file that is damaged or unpacks without end."""
    total = 0
    try:
        for chunk in _unpacked(path):
            total += len(chunk)
            if total > max(_MAX_PLAIN_BYTES, path.stat().st_size * _MAX_RATIO):
                raise NightshiftError(f"{name}: unpacks to more than {_MAX_RATIO} times its size; refused as a bomb")
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


def _encoded(chunks: Iterable[bytes], name: str, encoding: str) -> Iterator[bytes]:
    decoder: codecs.IncrementalDecoder | None = None
    try:
        for chunk in filter(None, chunks):
            decoder = decoder or codecs.getincrementaldecoder(_codec(encoding, chunk))()
            yield decoder.decode(chunk).encode()
        if decoder:
            decoder.decode(b"", final=True)
    except UnicodeError:
        raise NightshiftError(f"{name}: is not in {encoding}, which its mapping declares") from None


def _codec(encoding: str, start: bytes) -> str:
    """UTF-16 without a byte order mark: the header's first character is an ASCII one and tells the order."""
    if encoding != "utf-16" or start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return encoding
    return "utf-16-be" if start[:1] == b"\0" else "utf-16-le"
