"""What the ledger remembers of exports: by which code and of what a night was made."""

from __future__ import annotations

from typing import Any

from pipelines import ledger
from pipelines.export_night import Night
from pipelines.home import Home


def record_made(home: Home, night: Night, inputs: str, commit: str) -> None:
    """Remember what a table's night was made of; the same again is no event."""
    event = {
        "as_of": str(night.as_of),
        "inputs": inputs,
        "commit": commit,
        "tables": [
            {"table": night.table, "version": night.version, "run_id": night.manifest["run_id"], "sha256": night.sha256}
        ],
    }
    before = made(home, night)
    if before is None or {name: before[name] for name in event} != event:
        ledger.append(home, "exports", event)


def made(home: Home, night: Night) -> dict[str, Any] | None:
    """The newest event that tells of a night with its run id; an erasure changes its rows, not where they come from."""
    found = None
    for event in ledger.events(home, "exports"):
        for table in event["tables"]:
            is_same = (table["table"], table["version"]) == (night.table, night.version)
            if is_same and event["as_of"] == str(night.as_of) and table["run_id"] == night.manifest["run_id"]:
                found = event
    return found
