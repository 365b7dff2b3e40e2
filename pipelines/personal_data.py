"""The key under which personal data is hashed at the door, and its id in the ledger."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from pipelines import ledger
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.settings import Settings

_BLOCK_BYTES = 64


@dataclass(frozen=True)
class PersonalDataKey:
    """The two padded keys of HMAC-SHA256 (RFC 2104); `id` names the key without telling it."""

    id: str
    inner: bytes = field(repr=False)
    outer: bytes = field(repr=False)


def load_key(home: Home, settings: Settings) -> PersonalDataKey:
    """The home's key, or the setting's. Raises `NightshiftError` when missing, malformed or not the ledger's."""
    text = settings.pii_key.get_secret_value() if settings.pii_key else _read(home)
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != 32:
        where = "NIGHTSHIFT_PII_KEY" if settings.pii_key else home.key_file
        raise NightshiftError(f"the key of the personal-data hash ({where}) must be 64 hex digits")
    block = secret.ljust(_BLOCK_BYTES, b"\0")
    key = PersonalDataKey(
        id=hashlib.sha256(b"nightshift key id" + secret).hexdigest()[:12],
        inner=bytes(byte ^ 0x36 for byte in block),
        outer=bytes(byte ^ 0x5C for byte in block),
    )
    _refuse_another_key(home, key)
    return key


def _read(home: Home) -> str:
    if not home.key_file.exists():
        raise NightshiftError(
            f"{home.key_file} is missing; restore it from a back-up of the home, or set NIGHTSHIFT_PII_KEY"
        )
    return home.key_file.read_text()


def _refuse_another_key(home: Home, key: PersonalDataKey) -> None:
    for feed in FEEDS:
        event = ledger.latest(home, f"loads/{feed}")
        if event and event["key_id"] != key.id:
            raise NightshiftError(
                f"the key of the personal-data hash has id {key.id}, but {feed} was loaded under {event['key_id']}; "
                "restore that key, or load everything into a new home: hashes of two keys do not match each other"
            )
