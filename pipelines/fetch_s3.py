"""Objects of an S3 store: lists those that a uri names, and downloads them.

A listing gives size and ETag, which stand for an object's bytes in the ledger, so that what has not changed is not
downloaded. A download asks for that ETag: what lies in the spool is what was listed, or the feed fails.

Credentials are boto3's own business (the standard AWS variables); here they are in no variable, and no text of an
error of boto3 or of the store is passed on, only its code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from pipelines.errors import NightshiftError, UnavailableError
from pipelines.settings import Settings
from pipelines.uris import DS, S3, path_pattern, split_uri

_CHUNK = 1 << 20
_DOWNLOADS = 8
# botocore repeats requests, but not the reading of an answer that breaks off.
_READS = 3
_BROKEN_OFF = (HTTPClientError, IncompleteReadError, FlexibleChecksumError)
_WILD = re.compile(r"[*?]|\{ds\}")
_DENIED = {
    "403",
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}
_CHANGED = {"404", "412", "NoSuchKey", "PreconditionFailed"}


@dataclass(frozen=True)
class StoredObject:
    """One object as the store lists it."""

    bucket: str
    key: str
    bytes: int
    etag: str
    changed_at: float

    @property
    def uri(self) -> str:
        return f"{S3}{self.bucket}/{self.key}"

    @property
    def stamp(self) -> dict[str, str | int]:
        return {"name": self.uri, "bytes": self.bytes, "etag": self.etag}


def open_store(feed: str, uri: str, settings: Settings) -> Any:
    """A client of the store; it has not spoken to it yet."""
    addressing = {"addressing_style": "path"} if settings.s3_endpoint else {}
    config = Config(
        retries={"mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=_DOWNLOADS,
        s3=addressing,
        user_agent_appid="nightshift",
    )
    with _explained(feed, uri):
        # A session of its own: the shared one would keep the credentials of its first use.
        return boto3.Session().client("s3", endpoint_url=settings.s3_endpoint, config=config)


def list_objects(store: Any, feed: str, uri: str, first: date | None, last: date | None) -> list[StoredObject]:
    """The objects that a uri with globs names, by key; of a daily drop at least those of the days asked for."""
    bucket, path = split_uri(uri)
    pattern = path_pattern(path)
    found = []
    with _explained(feed, uri):
        pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_prefix(path, first, last))
        for page in pages:
            for entry in page.get("Contents", []):
                if pattern.fullmatch(entry["Key"]) and not entry["Key"].endswith("/"):
                    changed_at = entry["LastModified"].timestamp()
                    etag = entry["ETag"].strip('"')
                    found.append(StoredObject(bucket, entry["Key"], entry["Size"], etag, changed_at))
    for stored in found:
        if {"", ".", ".."} & set(stored.key.split("/")) or not stored.key.isprintable():
            raise NightshiftError(f"feeds.{feed}: {stored.uri!r}: its key is no plain path; give the object another")
    return found


def _prefix(path: str, first: date | None, last: date | None) -> str:
    """What the keys of the days asked for begin with; a store lists by prefix alone."""
    before = _WILD.split(path, maxsplit=1)[0]
    if first and last and path.startswith(before + DS):
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(str(first), str(last), strict=True))
        return before + "".join(character for character, _ in alike)
    return before


def download(store: Any, feed: str, objects: Mapping[Path, StoredObject]) -> None:
    """Download each object to its path; raises `NightshiftError` naming the first that does not come whole."""
    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        list(pool.map(lambda path: _download(store, feed, objects[path], path), objects))


def _download(store: Any, feed: str, stored: StoredObject, path: Path) -> None:
    with _explained(feed, stored.uri):
        for reads_left in reversed(range(_READS)):
            try:
                _copy(store, stored, path)
                break
            except _BROKEN_OFF:
                if not reads_left:
                    raise
    size = path.stat().st_size
    if size != stored.bytes:
        raise NightshiftError(
            f"feeds.{feed}: {stored.uri}: {size:,} bytes came of {stored.bytes:,}; ask for it to be delivered again"
        )


def read(store: Any, feed: str, stored: StoredObject) -> bytes:
    """The content of a small object, of a larger one no more than its first mebibyte and a byte."""
    with _explained(feed, stored.uri):
        answer = store.get_object(Bucket=stored.bucket, Key=stored.key, IfMatch=f'"{stored.etag}"')
        content: bytes = answer["Body"].read(_CHUNK + 1)
        return content


def _copy(store: Any, stored: StoredObject, path: Path) -> None:
    answer = store.get_object(Bucket=stored.bucket, Key=stored.key, IfMatch=f'"{stored.etag}"')
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for chunk in answer["Body"].iter_chunks(_CHUNK):
            file.write(chunk)


@contextmanager
def _explained(feed: str, uri: str) -> Iterator[None]:
    """What boto3 raises becomes one line of our own; `from None`, since its texts may go into logs."""
    where = f"feeds.{feed}: {uri}"
    try:
        yield
    except ClientError as error:
        raise NightshiftError(f"{where}: {_answer(error.response['Error'].get('Code', ''))}") from None
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError):
        raise NightshiftError(
            f"{where}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
        ) from None
    except (*_BROKEN_OFF, BotoConnectionError) as error:
        raise UnavailableError(
            f"{where}: the store cannot be reached or breaks off ({type(error).__name__}); check the network, the "
            "region and NIGHTSHIFT_S3_ENDPOINT"
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise NightshiftError(f"{where}: boto3 cannot ask for it ({type(error).__name__})") from None
    except OSError as error:
        raise NightshiftError(f"{where}: cannot be written into the spool: {error.strerror}") from None


def _answer(code: str) -> str:
    if code in _DENIED:
        return f"access denied ({code}); check the credentials and what they may read"
    if code == "NoSuchBucket":
        return "there is no such bucket"
    if code in _CHANGED:
        return "it changed while it was fetched; load it when it is complete"
    return f"the store refuses with {code or 'no reason'}"
