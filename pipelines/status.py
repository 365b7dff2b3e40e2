"""What a person wants to see of a home: feeds, build, models, exports, failures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines import ledger, nights, orphans, published
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
    table = _feed_table({feed: loaded[feed] for feed in sources.feeds})
    sections = [f"home: {home.root}", _render(table), _quarantine_line(loaded), *recent_findings(home)]
    if off := nights.switched_off(sources):
        sections.append(f"off for want of feeds: {'; '.join(off)}")
    sections += [_build_line(home), *_orphan_lines(home), *(_export_line(latest) for latest in _latest_exports(home))]
    sections.append(_champion_line(home))
    sections += _failures(home)
    return "\n".join(section for section in sections if section)


def _feed_table(loaded: Mapping[str, Sequence[ledger.Partition]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("feed", "days", "first", "last", "loaded at (UTC)"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "duplicate", "quarantined"):
        table.add_column(name, justify="right", no_wrap=True)
    for feed, parts in loaded.items():
        if not parts:
            table.add_row(feed, "0", "-", "-", "never", "0", "0", "0")
            continue
        sums = [
            sum(getattr(part, name) for part in parts) for name in ("rows_loaded", "rows_duplicate", "rows_quarantined")
        ]
        loaded_at = max(part.loaded_at for part in parts)[:16].replace("T", " ")
        days = f"{len(parts):,}"
        table.add_row(feed, days, str(parts[0].ds), str(parts[-1].ds), loaded_at, *(f"{count:,}" for count in sums))
    return table


def _render(table: Table) -> str:
    text = StringIO()
    Console(file=text, width=120).print(table)
    return text.getvalue().rstrip()


def _quarantine_line(loaded: Mapping[str, Sequence[ledger.Partition]]) -> str:
    rows = sum(part.rows_quarantined for parts in loaded.values() for part in parts)
    return f"quarantine: {rows:,} rows refused; see: nightshift quarantine list" if rows else ""


def _build_line(home: Home) -> str:
    build, publish = ledger.latest(home, "builds"), published.newest_event(home)
    if build is None:
        return "warehouse: not built yet; run: nightshift build"
    read = f"published as of {publish['as_of']}" if publish else "not published yet"
    return f"warehouse: built as of {build['as_of']}, snapshot {build['snapshot']}; {read}"


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
