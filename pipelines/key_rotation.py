"""`nightshift rotate-key`: one more secret for the personal-data hash, in raw/ as at the door."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import ledger, rewriting, suppression
from pipelines.delivered_sql import identifier, literal
from pipelines.errors import UsageError
from pipelines.feeds import FEEDS, Feed
from pipelines.home import Home, write_atomically
from pipelines.personal_data import (
    PERSONAL_FEEDS,
    SECRET_BYTES,
    PersonalDataKey,
    another_key,
    read_key,
    recorded_ids,
)
from pipelines.scratch import connected
from pipelines.settings import Settings

COMMAND = "nightshift rotate-key"
Log = Callable[[str], None]


@dataclass(frozen=True)
class Rotation:
    """The id of the key that holds now, how many secrets it has, and how many partitions were hashed again."""

    key_id: str
    secrets: int
    partitions: int


def rotate_key(settings: Settings, owner: str, log: Log) -> Rotation:
    """Hash all hashes in the home again, under a secret more.

    The secret is drawn and added to the key file; with `NIGHTSHIFT_PII_KEY` set it is the one that was added there. A
    rotation that broke off is finished, and no other secret drawn. Raises `NightshiftError` when the key is another
    one than the home was loaded under, or a raw partition is not the one the ledger knows.
    """
    home = Home.open(settings.home)
    try:
        with home.held(owner, settings.lease_minutes, settings.lock_wait_seconds), rewriting.loads_locked(home, log):
            finished = rewriting.finish(home)
            if finished:
                log(f"the change that had broken off is finished, that of: {finished}")
            if finished == COMMAND:
                key = read_key(home, settings)
                return Rotation(key.id, len(key.secrets), 0)
            return _rotate(home, settings, log)
    finally:
        home.release(owner)


def _rotate(home: Home, settings: Settings, log: Log) -> Rotation:
    loads = {feed: load for feed in PERSONAL_FEEDS if (load := ledger.current_load(home, feed))}
    # Before a secret is drawn: until the rotation has ended, no day can be loaded again.
    for feed, load in loads.items():
        rewriting.refuse_unknown(home, feed, load["partitions"])
    key = _longer_key(home, settings)
    loads = {feed: load for feed, load in loads.items() if load["key_id"] != key.id}
    files: list[Path] = []
    for feed, load in loads.items():
        added = key.after(load["key_id"])
        partitions = [_hash_again(home, settings, FEEDS[feed], added, entry) for entry in load["partitions"]]
        files += [rewriting.partition_file(home, feed, entry) for entry in partitions]
        loads[feed] = {**load, "key_id": key.id, "partitions": partitions}
        log(f"{feed}: {len(partitions):,} partitions hashed again")
    files += _hash_lists_again(home, settings, key)
    rewriting.carry_out(home, COMMAND, files, loads)
    return Rotation(key.id, len(key.secrets), sum(len(load["partitions"]) for load in loads.values()))


def _longer_key(home: Home, settings: Settings) -> PersonalDataKey:
    """The key with the secret to be added: that of a rotation that broke off, the operator's, or a new one."""
    key = read_key(home, settings)
    recorded = recorded_ids(home)
    for feed, id in recorded.items():
        if id not in key.ids:
            raise another_key(key, feed, id)
    if any(id != key.id for id in recorded.values()):
        return key
    if settings.pii_key:
        raise UsageError(
            "NIGHTSHIFT_PII_KEY has no secret yet that the home was not loaded under; add one behind a comma (64 hex "
            "digits, as from: openssl rand -hex 32) and run this again"
        )
    key = PersonalDataKey((*key.secrets, secrets.token_bytes(SECRET_BYTES)))
    write_atomically(home.key_file, "".join(f"{secret.hex()}\n" for secret in key.secrets).encode())
    return key


def _hash_again(
    home: Home, settings: Settings, feed: Feed, added: PersonalDataKey, entry: dict[str, Any]
) -> dict[str, Any]:
    """Write a partition beside with its personal columns hashed by the added secrets; its entry for the ledger."""
    path = rewriting.partition_file(home, feed.name, entry)
    read = f"read_parquet({literal(str(path))}, hive_partitioning=false)"
    keys = ", ".join(identifier(name) for name in feed.key)
    new = rewriting.beside(path)
    with connected(home, settings) as connection:
        added.prepare(connection)
        # A partition of an earlier contract may lack a personal column.
        held = {row[0] for row in connection.execute(f"describe from {read}").fetchall()}
        hashed = ", ".join(
            f"keyed_hash({identifier(column.name)}) as {identifier(column.name)}"
            for column in feed.columns
            if column.is_personal and column.name in held
        )
        replaced = f" replace ({hashed})" if hashed else ""
        connection.execute(
            f"copy (select *{replaced} from {read} order by {keys}) to {literal(str(new))} "
            "(format parquet, compression snappy)"
        )
        days = connection.execute(f"select distinct business_date from {read} order by 1").fetchall()
    return {**entry, "sha256": ledger.file_sha256(new), "touched": [str(day) for (day,) in days]}


def _hash_lists_again(home: Home, settings: Settings, key: PersonalDataKey) -> list[Path]:
    """Write the lists of erased people beside, hashed by the added secrets."""
    files = []
    for path, content in suppression.lists(home).items():
        if content["key_id"] != key.id:
            with connected(home, settings) as connection:
                key.after(content["key_id"]).prepare(connection)
                hashes = {
                    kind: sorted(
                        row[0]
                        for row in connection.execute(
                            "select keyed_hash(hash) from (select unnest($hashes::VARCHAR[]) as hash)", {"hashes": old}
                        ).fetchall()
                    )
                    for kind, old in content["hashes"].items()
                }
            rewriting.beside(path).write_bytes(ledger.canonical_json({**content, "key_id": key.id, "hashes": hashes}))
            files.append(path)
    return files
