"""Files in another encoding than UTF-8, copied as UTF-8: all that follows then knows one encoding only."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import IO, cast

import zstandard

from pipelines.errors import NightshiftError
from pipelines.sources import UTF_8, Source
from pipelines.unpacking import plain_chunks


def in_utf8(
    days: Mapping[Path, date | None], landing: Path, source: Source, folder: Path
) -> tuple[dict[Path, date | None], Path]:
    """The files to read with their days, and the landing folder they lie in: `folder` when they had to be copied.

    A copy keeps its name and its packing.
    """
    if source.encoding == UTF_8:
        return dict(days), landing
    copies: dict[Path, date | None] = {}
    for path, ds in days.items():
        name = path.relative_to(landing)
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        with open_packed(copy) as file:
            for chunk in utf8_chunks(path, name.as_posix(), source.encoding):
                file.write(chunk)
        copies[copy] = ds
    return copies, folder


def utf8_chunks(path: Path, name: str, encoding: str) -> Iterator[bytes]:
    """A text file's bytes, unpacked and in UTF-8. Raises `NightshiftError` naming a file that is damaged."""
    chunks = plain_chunks(path, name)
    return chunks if encoding == UTF_8 else _encoded(chunks, name, encoding)


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


def open_packed(path: Path) -> IO[bytes]:
    """A file to write, packed as its name says."""
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "wb", compresslevel=1))
    if path.suffix in (".zst", ".zstd"):
        return cast(IO[bytes], zstandard.open(path, "wb"))
    return path.open("wb")
