"""The key under which personal data is hashed at the door, and its id in the ledger.

The key is a list of secrets, one a line; the hash is a chain, HMAC_n(... HMAC_1(value)). So a secret can be added to
what is hashed already (`pipelines.key_rotation`), and a person keeps one identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import duckdb

from pipelines import ledger, rewriting, suppression
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.suppression import Suppressed

_BLOCK_BYTES = 64
SECRET_BYTES = 32
PERSONAL_FEEDS = tuple(name for name, feed in FEEDS.items() if any(column.is_personal for column in feed.columns))


@dataclass(frozen=True)
class PersonalDataKey:
    """The secrets of the chain, in order, and who was erased; `id` names the secrets without telling them."""

    secrets: tuple[bytes, ...] = field(repr=False)
    suppressed: Suppressed = field(default_factory=dict, repr=False)

    @property
    def id(self) -> str:
        return self.ids[-1]

    @property
    def ids(self) -> list[str]:
        """The ids that the key had with its first secret alone, with the first two, and so on."""
        parts = [b"".join(self.secrets[:count]) for count in range(1, len(self.secrets) + 1)]
        return [hashlib.sha256(b"nightshift key id" + part).hexdigest()[:12] for part in parts]

    def after(self, id: str) -> PersonalDataKey:
        """The secrets that were added after the key had this id: what turns its hashes into those of today."""
        return PersonalDataKey(self.secrets[self.ids.index(id) + 1 :])

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Define the SQL function `keyed_hash(text)`; variables keep the secrets out of every statement's text."""
        hashed = "value"
        for number, secret in enumerate(self.secrets):
            # HMAC-SHA256 (RFC 2104) from DuckDB's own sha256.
            for name, pad in (("inner", 0x36), ("outer", 0x5C)):
                block = bytes(byte ^ pad for byte in secret.ljust(_BLOCK_BYTES, b"\0"))
                connection.execute(f"set variable hmac_{name}_{number} = $block", {"block": block})
            inner = f"unhex(sha256(getvariable('hmac_inner_{number}')::BLOB || encode({hashed})))"
            hashed = f"sha256(getvariable('hmac_outer_{number}')::BLOB || {inner})"
        connection.execute(f"create temp macro keyed_hash(value) as {hashed}")


def load_key(home: Home, settings: Settings) -> PersonalDataKey:
    """The home's key, or the setting's.

    Raises `NightshiftError` when it is missing, malformed or not the one of what is loaded, and while a change of the
    whole home is not finished.
    """
    rewriting.refuse_half_done(home)
    key = read_key(home, settings)
    for feed, id in recorded_ids(home).items():
        if id != key.id:
            raise another_key(key, feed, id)
    return replace(key, suppressed=suppression.read(home))


def read_key(home: Home, settings: Settings) -> PersonalDataKey:
    """The key as it stands, whatever the ledger knows."""
    if settings.pii_key:
        texts: Sequence[str] = settings.pii_key.get_secret_value().split(",")
    elif home.key_file.exists():
        texts = home.key_file.read_text().splitlines()
    else:
        raise NightshiftError(
            f"{home.key_file} is missing; restore it from a back-up of the home, or set NIGHTSHIFT_PII_KEY"
        )
    try:
        secrets = tuple(bytes.fromhex(text.strip()) for text in texts)
    except ValueError:
        secrets = ()
    if not secrets or any(len(secret) != SECRET_BYTES for secret in secrets) or len(set(secrets)) != len(secrets):
        where, between = ("NIGHTSHIFT_PII_KEY", "comma") if settings.pii_key else (home.key_file, "line end")
        raise NightshiftError(
            f"the key of the personal-data hash ({where}) must be 64 hex digits, or several such, each once, with a "
            f"{between} between them"
        )
    return PersonalDataKey(secrets)


def recorded_ids(home: Home) -> dict[str, str]:
    """The key's id under which each feed with personal data lies in raw/, and erased people on their lists."""
    newest = {feed: ledger.latest(home, f"loads/{feed}") for feed in PERSONAL_FEEDS}
    erased = {f"{path.parent.name}/{path.name}": content for path, content in suppression.lists(home).items()}
    return {name: found["key_id"] for name, found in {**newest, **erased}.items() if found}


def another_key(key: PersonalDataKey, feed: str, id: str) -> NightshiftError:
    """Why nothing can be loaded under this key, and what to do about it."""
    if id in key.ids:
        return NightshiftError(
            f"the key of the personal-data hash has a secret more than when {feed} was written (id {key.id}, then "
            f"{id}); hash what is loaded with it: nightshift rotate-key"
        )
    return NightshiftError(
        f"the key of the personal-data hash has id {key.id}, but {feed} was written under {id}; "
        "restore that key, or load everything into a new home: hashes of two keys do not match each other"
    )
