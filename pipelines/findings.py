"""What the checks found of loaded days and of days they kept out, as the ledger remembers it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    """A line for each feed with a day that was stopped and is not loaded since, or with a finding in its last week."""
    lines = []
    checks = list(ledger.events(home, "checks"))
    for feed in FEEDS:
        if stopped := _stopped(home, feed, [check for check in checks if check["suite"] == f"raw_{feed}"]):
            more = f" and {len(stopped) - 1} days more" if len(stopped) > 1 else ""
            lines.append(f"checks: {feed} not loaded, {_told(stopped[0])}{more}")
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


def _stopped(home: Home, feed: str, checks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each day that a check stopped its first critical finding, unless the day was loaded since."""
    stopped: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for check in checks:
        # Earlier versions kept no findings.
        for finding in reversed(() if check["is_accepted"] else check.get("findings", ())):
            if finding["severity"] == CRITICAL:
                stopped[finding["ds"]] = check["recorded_at"], finding
    loaded = {str(ds): part.loaded_at for ds, part in ledger.partitions(home, feed).items()}
    return [finding for ds, (at, finding) in sorted(stopped.items()) if loaded.get(ds, "") < at]
