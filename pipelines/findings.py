"""What the checks found of loaded days and of days they kept out, as the ledger remembers it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pipelines import ledger
from pipelines.feeds import FEEDS
from pipelines.home import Home

CRITICAL = "critical"
_RECENT = timedelta(days=7)


@dataclass(frozen=True)
class Finding:
    """One expectation that a day does not meet, with what was observed and what is usual."""

    ds: str
    severity: str
    measure: str
    condition: str
    observed: str
    usual: str

    def __str__(self) -> str:
        return f"{self.ds}: {self.observed}, usually {self.usual} ({self.severity}: {self.condition})"


def recent_findings(home: Home) -> list[str]:
    """A line for each feed with a finding in the week up to its newest day, or whose last load was stopped."""
    lines = []
    checks = {event["suite"]: event for event in ledger.events(home, "checks")}
    for feed in FEEDS:
        if stopped := _stopped(home, feed, checks.get(f"raw_{feed}")):
            lines.append(f"checks: {feed} not loaded, {_told(stopped[0])}")
        elif found := list(_loaded(home, feed)):
            days = len({finding["ds"] for finding in found})
            accepted = ", accepted" if any(finding["is_accepted"] for finding in found) else ""
            counts = f"{len(found)} {'finding' if len(found) == 1 else 'findings'} on {days} of the last 7 days"
            lines.append(f"checks: {feed} {counts}{accepted}, newest {_told(found[-1])}")
    return lines


def _told(finding: Mapping[str, Any]) -> str:
    return f"{finding['ds']}: {finding['observed']}, usually {finding['usual']}"


def _loaded(home: Home, feed: str) -> Iterator[Mapping[str, Any]]:
    """Of each recent day what its newest load found, by day."""
    entries = {entry["ds"]: entry for event in ledger.events(home, f"loads/{feed}") for entry in event["partitions"]}
    for ds in sorted(entries):
        if date.fromisoformat(ds) > date.fromisoformat(max(entries)) - _RECENT:
            yield from entries[ds].get("findings", ())


def _stopped(home: Home, feed: str, check: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The critical findings of the feed's newest check, if nothing of it was loaded since."""
    # Earlier versions kept no findings.
    found = check.get("findings", ()) if check else ()
    load = ledger.latest(home, f"loads/{feed}")
    if check is None or not found or check["is_accepted"] or (load and load["recorded_at"] > check["recorded_at"]):
        return []
    return [finding for finding in found if finding["severity"] == CRITICAL]
