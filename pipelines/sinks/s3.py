"""Exports into an S3 store, laid out as in a home: every object appears whole, `latest.json` last.

Files bear names of their hashes and lie there before the manifest names them; what it no longer names goes after
`latest.json` has moved. So a reader who follows latest.json finds one night or the next, and a retry after a crash at
any request ends in the same objects. What is there is not sent again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from pipelines import object_store
from pipelines.export_night import DDL_FILE, LATEST, MANIFEST, SCHEMA_FILE, Night, latest_of
from pipelines.settings import Settings
from pipelines.uris import split_uri

_NIGHT = re.compile(r"([^/]+)/v(\d+)/(as_of=[^/]+)/[^/]+$")


@dataclass(frozen=True)
class Sent:
    """How many objects of a night were sent; whether `latest.json` names it."""

    objects: int
    is_latest: bool


def apply(settings: Settings, uri: str, night: Night, is_going_back: bool = False) -> Sent:
    """Make the store hold a night below a uri; `latest.json` moves to an earlier one only when `is_going_back`.

    Raises `NightshiftError` in one line when the store refuses; what latest.json names there is whole then, too.
    """
    night.refuse_damaged()
    where = f"export {night.table} as of {night.as_of}: {uri}"
    store = object_store.client(where, settings)
    with object_store.explained(where):
        return _Upload(store, uri, night).run(is_going_back)


def stored_nights(settings: Settings, uri: str) -> set[tuple[str, int, str]]:
    """Table, version and name of the `as_of=` folder of every night that the store holds below a uri."""
    where = f"exports: {uri}"
    store = object_store.client(where, settings)
    bucket, prefix = split_uri(uri)
    with object_store.explained(where):
        found = (_NIGHT.search(key) for key in _listed(store, bucket, prefix))
    return {(match[1], int(match[2]), match[3]) for match in found if match}


def _root(prefix: str, table: str, version: int) -> str:
    return "/".join([*([prefix.strip("/")] if prefix.strip("/") else []), table, f"v{version}", ""])


def _listed(store: Any, bucket: str, prefix: str) -> dict[str, int]:
    """Keys that begin so, with their bytes."""
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}


class _Upload:
    """The requests of one night."""

    def __init__(self, store: Any, uri: str, night: Night) -> None:
        self._store, self._night = store, night
        self._bucket, prefix = split_uri(uri)
        self._root = _root(prefix, night.table, night.version)
        self._folder = f"{self._root}{night.folder.name}/"
        self._sent = 0

    def run(self, is_going_back: bool) -> Sent:
        there = _listed(self._store, self._bucket, self._folder)
        for name in (SCHEMA_FILE, DDL_FILE):
            if (path := self._night.folder.parent / name).exists():
                self._replace(f"{self._root}{name}", path.read_bytes())
        for file in self._night.files:
            key = f"{self._folder}{file['name']}"
            # Its name holds its hash.
            if there.get(key) != file["bytes"]:
                self._put_file(key, self._night.folder / file["name"], file["sha256"])
        manifest = (self._night.folder / MANIFEST).read_bytes()
        self._replace(f"{self._folder}{MANIFEST}", manifest)
        is_latest = self._move_latest(manifest, is_going_back)
        named = {f"{self._folder}{name}" for name in (MANIFEST, *(file["name"] for file in self._night.files))}
        for key in sorted(there.keys() - named):
            self._store.delete_object(Bucket=self._bucket, Key=key)
        return Sent(self._sent, is_latest)

    def _move_latest(self, manifest: bytes, is_going_back: bool) -> bool:
        key = f"{self._root}{LATEST}"
        known: Mapping[str, Any] = json.loads(self._content(key) or b"{}")
        if known.get("as_of", "") > str(self._night.as_of) and not is_going_back:
            return False
        latest = latest_of(self._night.manifest, hashlib.sha256(manifest).hexdigest())
        self._replace(key, json.dumps(latest, indent=2).encode())
        return True

    def _replace(self, key: str, content: bytes) -> None:
        if self._content(key) != content:
            self._put(key, content, hashlib.sha256(content).digest())

    def _put_file(self, key: str, path: Path, sha256: str) -> None:
        with path.open("rb") as file:
            self._put(key, file, bytes.fromhex(sha256))

    def _put(self, key: str, body: Any, sha256: bytes) -> None:
        """The store itself refuses bytes of another hash."""
        checksum = base64.b64encode(sha256).decode()
        self._store.put_object(Bucket=self._bucket, Key=key, Body=body, ChecksumSHA256=checksum)
        self._sent += 1

    def _content(self, key: str) -> bytes | None:
        try:
            content: bytes = self._store.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if object_store.code_of(error) in object_store.MISSING:
                return None
            raise
        return content
