"""What a person wants to see of a home: feeds, build, models, exports, failures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipelines import freshness, ledger, nights, orphans
from pipelines.erasure import is_pending
from pipelines.export_delivery import told, undelivered
from pipelines.feeds import FEEDS
from pipelines.findings import recent_findings
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.sources import load_sources


def summary(settings: Settings) -> str:
    """The newest export of each table with its rows and path, and what to do next."""
    home = Home.open(settings.home)
    lines = [_export_line(latest, is_aging=False) for latest in _latest_exports(home)]
    lines.append(f"published: {home.published / 'warehouse.duckdb'}")
    return "\n".join(lines)


def report(settings: Settings) -> str:
    """The whole state on one screen."""
    home = Home.open(settings.home)
    sources = load_sources(settings.sources_file)
    loaded = {feed: list(ledger.partitions(home, feed).values()) for feed in FEEDS}
    sections = [
        f"home: {home.root}",
        freshness.feed_lines(sources, loaded),
        _quarantine_line(loaded),
        *recent_findings(home),
    ]
    if off := nights.switched_off(sources):
        sections.append(f"off for want of feeds: {'; '.join(off)}")
    sections += [
        _build_line(home),
        *_orphan_lines(home),
        freshness.published_lines(home, settings),
        *(_export_line(latest) for latest in _latest_exports(home)),
    ]
    sections += [f"in part: {line}" for line in told(undelivered(home, settings))]
    sections.append(_champion_line(home))
    sections += _failures(home)
    if is_pending(home):
        sections.append("erasure: one broke off; run it again: nightshift erase --customer, with the same id")
    return "\n".join(section for section in sections if section)


def _quarantine_line(loaded: Mapping[str, Sequence[ledger.Partition]]) -> str:
    rows = sum(part.rows_quarantined for parts in loaded.values() for part in parts)
    return f"quarantine: {rows:,} rows refused; see: nightshift quarantine list" if rows else ""


def _build_line(home: Home) -> str:
    build = ledger.latest(home, "builds")
    if build is None:
        return "warehouse: not built yet; run: nightshift build"
    return f"warehouse: built as of {build['as_of']}, snapshot {build['snapshot']}"


def _orphan_lines(home: Home) -> list[str]:
    build = ledger.latest(home, "builds")
    return [orphans.told(pair) for pair in (build or {}).get("orphans", ())]


def _champion_line(home: Home) -> str:
    decisions = sorted(home.decisions.glob("*.json"))
    if not decisions:
        return "models: no champion yet, a baseline speaks; run: nightshift train"
    newest: dict[str, dict[str, Any]] = {}
    for path in decisions:
        decision = json.loads(path.read_text())
        if decision["kind"] == "promotion":
            newest[decision["model"]] = decision
    return "\n".join(
        f"model: {name} {decision['model_version']}, champion since {decision['decided_at'][:10]}: {decision['reason']}"
        for name, decision in newest.items()
    )


def _latest_exports(home: Home) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    found = []
    for path in sorted(home.exports.glob("*/v*/latest.json")):
        latest = json.loads(path.read_text())
        manifest = json.loads((path.parent / latest["manifest"]).read_text())
        data = str((path.parent / latest["manifest"]).parent / manifest["files"][0]["name"])
        found.append((data, latest, manifest))
    return found


def _export_line(export: tuple[str, dict[str, Any], dict[str, Any]], is_aging: bool = True) -> str:
    path, latest, manifest = export
    is_stale = is_aging and datetime.fromisoformat(latest["valid_until"]) < datetime.now(UTC)
    return (
        f"export: {manifest['table']} as of {manifest['as_of']}, {manifest['completeness']}, "
        f"{manifest['row_count']:,} rows by {', '.join(manifest['methods'])}"
        f"{', stale' if is_stale else ''}: {path}"
    )


def _failures(home: Home) -> list[str]:
    """The steps whose newest attempt failed."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for event in ledger.events(home, "attempts"):
        newest[event["step"], event["as_of"]] = event
    return [
        f"failed: {step} as of {as_of} ({event['recorded_at'][:16].replace('T', ' ')}): {event['error']}"
        for (step, as_of), event in newest.items()
        if event["outcome"] == "failed"
    ]
