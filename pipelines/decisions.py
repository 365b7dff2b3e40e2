"""Who is champion, and since when: one file a decision, never changed.

The newest promotions decide what the nights load; MLflow's alias `champion` follows them. One file that appears whole
is the only moment at which a champion changes, so there is never none and never two, and a night needs no MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from filelock import FileLock

from pipelines.delivered_sql import identifier, literal
from pipelines.errors import NightshiftError
from pipelines.home import Home, write_atomically
from pipelines.ledger import canonical_json, fingerprint

_COLUMNS = {
    "decided_at": "TIMESTAMP",
    **dict.fromkeys(("model", "kind", "decided_by", "method", "model_version"), "VARCHAR"),
    **dict.fromkeys(("previous_model_version", "registered_version", "snapshot_hash", "reason"), "VARCHAR"),
    "as_of": "DATE",
    "figures": "VARCHAR",
}
PROMOTION, REFUSAL = "promotion", "refusal"


@dataclass(frozen=True)
class Version:
    """A registered version as a decision names it: enough to find its files below the home and to prove them.

    `as_of` is the last day it has learned from; `recipe` is the text of its `models.description.Recipe`.
    """

    model: str
    registered_version: str
    model_version: str
    method: str
    as_of: str
    snapshot_hash: str
    recipe: str
    folder: str
    sha256: Mapping[str, str]
    run_id: str
    git_commit: str = ""

    @property
    def name(self) -> str:
        return f"version {self.registered_version} ({self.method}, {self.model_version})"


@dataclass(frozen=True)
class Decision:
    """What was decided on a version, by the gate or a person, and why; `figures` is what it rests on."""

    kind: str
    decided_by: str
    version: Version
    reason: str
    figures: Mapping[str, float]
    training_key: str = ""


def decide(home: Home, decision: Decision) -> dict[str, Any]:
    """Record a decision and return its event; a promotion takes effect with the file's appearance."""
    champions = champions_of(home, decision.version.model)
    now = datetime.now(UTC)
    event = {
        **{name: value for name, value in asdict(decision).items() if name != "version"},
        **asdict(decision.version),
        "decided_at": now.isoformat(),
        "previous_model_version": champions[0].model_version if champions else None,
    }
    name = f"{now:%Y%m%dT%H%M%S%f}-{fingerprint(event)[:12]}.json"
    write_atomically(home.decisions / name, canonical_json(event))
    return event


@contextmanager
def deciding(home: Home) -> Iterator[None]:
    """One decision at a time; what a killed one had begun to write goes."""
    with FileLock(home.decisions / ".lock", mode=0o600):
        for left in home.decisions.glob(".*.tmp"):
            left.unlink()
        yield


def events(home: Home, model: str) -> Iterator[dict[str, Any]]:
    """The decisions on a model, oldest first."""
    for path in sorted(home.decisions.glob("*.json")):
        try:
            event: dict[str, Any] = json.loads(path.read_bytes())
        except ValueError:
            raise NightshiftError(f"{path} is damaged; restore it from a back-up of the home") from None
        # What an earlier Nightshift promoted did not say where its files lie.
        if event.get("model") == model and "folder" in event:
            yield event


def of_training(home: Home, model: str, training_key: str) -> dict[str, Any] | None:
    """The newest decision on what a training made."""
    found = [event for event in events(home, model) if event["training_key"] == training_key]
    return found[-1] if found else None


def champions_of(home: Home, model: str) -> list[Version]:
    """The champion, then those before it, newest first.

    Going back to an earlier champion strikes out those that came after it: they were decided against.
    """
    stack: list[Version] = []
    for event in events(home, model):
        if event["kind"] == PROMOTION:
            version = version_of(event)
            numbers = [earlier.registered_version for earlier in stack]
            if version.registered_version in numbers:
                del stack[numbers.index(version.registered_version) :]
            stack.append(version)
    return stack[::-1]


def known_by(champions: list[Version], as_of: date) -> list[Version]:
    """Those that had learned from no day after `as_of`: a later one has seen what it would forecast."""
    return [version for version in champions if version.as_of <= str(as_of)]


def version_of(event: Mapping[str, Any]) -> Version:
    # An earlier Nightshift recorded no commit.
    return Version(**{name: event[name] for name in Version.__dataclass_fields__ if name in event})


def relation(home: Home) -> str:
    """The decisions as a table of SQL."""
    if not any(home.decisions.glob("*.json")):
        empty = ", ".join(f"NULL::{kind} as {identifier(name)}" for name, kind in _COLUMNS.items())
        return f"(select {empty} where false)"
    columns = ", ".join(f"{identifier(name)}: {literal(kind)}" for name, kind in _COLUMNS.items())
    return f"read_json({literal(str(home.decisions / '*.json'))}, columns = {{{columns}}})"
