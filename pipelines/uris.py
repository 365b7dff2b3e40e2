"""Where deliveries lie: a path below the landing folder or an object of an S3 store, with `{ds}` and globs."""

from __future__ import annotations

import re
from pathlib import Path

DS = "{ds}"
S3 = "s3://"
_S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]+/(?!.*//)(?!.*\*\*$)[^/\[](?:[^\[]*[^/\[])?")

_S3_PREFIX = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[^/?#*]+)*")


def checked_uri(uri: str) -> str:
    """The uri itself. Raises `ValueError` for one that leaves the landing folder or names no files."""
    if not uri or any("**" in part and part != "**" for part in Path(uri).parts):
        raise ValueError("a uri names files; ** stands for folders and alone between slashes")
    if uri.startswith("/") or ".." in Path(uri).parts or ("://" in uri and not uri.startswith(S3)):
        raise ValueError(
            "a uri is a path below the landing folder (see --landing), without '..', or s3://bucket/key; "
            "a database has none, and its secret is the setting NIGHTSHIFT_CONNECTION_<NAME>"
        )
    if uri.startswith(S3) and not _S3_URI.fullmatch(uri):
        raise ValueError("an object is s3://bucket/key; its key may hold {ds}, *, ? and **/")
    if uri.count(DS) > 1:
        raise ValueError("{ds} may stand once in a uri")
    return uri


def checked_prefix(uri: str) -> str:
    """The uri of a place in an S3 store, `s3://bucket` or `s3://bucket/prefix`; raises `ValueError` for another."""
    if not _S3_PREFIX.fullmatch(uri):
        raise ValueError("a place in a store is s3://bucket or s3://bucket/prefix")
    return uri


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` uri."""
    bucket, _, key = uri.removeprefix(S3).partition("/")
    return bucket, key


def day_pattern(uri: str) -> re.Pattern[str]:
    """A pattern whose group `ds` catches the business day in a path that matches a `{ds}` uri."""
    before, _, after = uri.partition(DS)
    return re.compile(f"{_glob_regex(before)}(?P<ds>\\d{{4}}-\\d{{2}}-\\d{{2}}){_glob_regex(after)}$")


def path_pattern(uri: str) -> re.Pattern[str]:
    """A pattern of the paths that a uri names; of a `{ds}` uri it is the day pattern."""
    return day_pattern(uri) if DS in uri else re.compile(f"{_glob_regex(uri)}$")


def _glob_regex(glob: str) -> str:
    return re.escape(glob).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
