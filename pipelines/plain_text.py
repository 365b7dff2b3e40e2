"""A delivered text file as plain bytes in UTF-8: all that follows knows one form only."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.errors import NightshiftError
from pipelines.sources import UTF_8
from pipelines.unpacking import GZIP, ZSTD, plain_chunks


def is_plain(path: Path, encoding: str) -> bool:
    """Whether the file's own bytes are what `utf8_chunks` gives."""
    return encoding == UTF_8 and path.suffix not in GZIP + ZSTD


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
