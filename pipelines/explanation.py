"""Where a number of an export came from: its row, the rule behind its action, who spoke, what went in, by what code.

All of it is read from what nights leave: the files of the export, the snapshot that its manifest names, decisions, the
ledger. Nothing is computed anew and no warehouse is opened, so it can be asked while a night runs.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import duckdb

from models.questions import NAMES
from pipelines import decisions, explained_inputs, export_ledger, replay
from pipelines.delivered_sql import identifier
from pipelines.errors import UsageError, visible
from pipelines.export_files import parquet, reading
from pipelines.export_night import Night
from pipelines.exports import EXPORTS, LINEAGE
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.warehouse import PROJECT

# Columns that say why, not what, in the words of all exports.
_WHY = re.compile("reason|rule|action|band|group")
_SHOWN_CHOICES = 5
Row = Mapping[str, str | None]


def explain(
    home: Home, settings: Settings, table: str, key: Sequence[str], as_of: date | None, version: int | None
) -> Iterator[str]:
    """The lines that say where a row came from; `key` are values in the order of the key without `as_of`.

    Values at the end may be left out where one row is left. Raises `UsageError` where none or several are, and
    `NightshiftError` where the night is not kept or not whole.
    """
    night = replay.find(home, table, as_of, version)
    night.refuse_damaged()
    with reading(home, settings) as connection:
        row = _row(connection, night, key)
        for line in (*_said(night, row), *_rules(home, night, row), *_speaker(home, night, row)):
            yield visible(line)
        for line in (*explained_inputs.lines(connection, home, night, row), *_run(home, night, row)):
            yield visible(line)


def _row(connection: duckdb.DuckDBPyConnection, night: Night, key: Sequence[str]) -> Row:
    names = night.contract.row_key
    if len(key) > len(names):
        raise UsageError(f"the key of {night.table} is {', '.join(names)}; {len(key)} values are more than that")
    given = dict(zip(names, key, strict=False))
    tests = " and ".join(f"{identifier(name)}::varchar = ?" for name in given) or "true"
    found = connection.execute(
        f"select columns(*)::varchar from {parquet(night.rows)} where {tests} limit {_SHOWN_CHOICES + 1}", [*key]
    )
    columns = [column[0] for column in found.description or ()]
    rows = [dict(zip(columns, values, strict=True)) for values in found.fetchall()]
    told = ", ".join(f"{name} {value}" for name, value in given.items()) or "no key"
    if not rows:
        raise UsageError(f"{night.table} as of {night.as_of} has no row with {told}; its key is {', '.join(names)}")
    if len(rows) > 1:
        left = names[len(key) :]
        choices = "; ".join(" ".join(str(row[name]) for name in left) for row in rows[:_SHOWN_CHOICES])
        more = " and more" if len(rows) > _SHOWN_CHOICES else ""
        raise UsageError(f"{night.table} has several rows with {told}; say {', '.join(left)} too: {choices}{more}")
    return rows[0]


def _said(night: Night, row: Row) -> Iterator[str]:
    """The row with what its columns mean: first what it says, then why."""
    key = ", ".join(f"{name} {row[name]}" for name in night.contract.row_key)
    yield f"{night.table} v{night.version} as of {night.as_of}, {night.manifest['completeness']}: {key}"
    meanings = {column.name: column.meaning for column in night.contract.columns}
    told = [name for name in row if name not in (*night.manifest["key"], *LINEAGE)]
    why = [name for name in told if _WHY.search(name)]
    for title, names in (("what it says", [name for name in told if name not in why]), ("why", why)):
        if names:
            yield title
            yield from _columns([(name, _shown(row[name]), meanings.get(name, "")) for name in names])


def _rules(home: Home, night: Night, row: Row) -> Iterator[str]:
    """The rows of the seeds which the export is made with that bear the row's band, action or rule."""
    for path in _seeds(home, night.table):
        with (PROJECT / path).open(newline="") as file:
            rules = list(csv.DictReader(file))
        shared = [name for name in rules[0] if name in row and _WHY.search(name)] if rules else []
        for rule in rules:
            if shared and all(rule[name] == row[name] for name in shared):
                yield f"  by {path}, as it is now: {', '.join(f'{name} {value}' for name, value in rule.items())}"


def _seeds(home: Home, table: str) -> list[str]:
    """Paths, below the dbt project, of the seeds that the export's model reads, by dbt's own manifest of the build."""
    manifest = home.root / "dbt" / "target" / "manifest.json"
    nodes: dict[str, Any] = json.loads(manifest.read_bytes())["nodes"] if manifest.exists() else {}
    models = [node for node in nodes.values() if node["name"] == f"exp_{table}" and node["resource_type"] == "model"]
    needed = [name for model in models for name in model["depends_on"]["nodes"] if name.startswith("seed.")]
    return [nodes[name]["original_file_path"] for name in needed]


def _speaker(home: Home, night: Night, row: Row) -> Iterator[str]:
    """Who spoke: the model version with the decision on it, or a baseline."""
    yield "who spoke"
    yield f"  {row['method']}, model_version {row['model_version']}"
    if night.manifest["fallback_reason"]:
        yield f"  not the champion: {night.manifest['fallback_reason']}"
    event = _decision(home, night.table, str(row["model_version"]))
    if event is None:
        yield "  no registered version: a baseline, learned anew each night from the snapshot"
        return
    version = decisions.version_of(event)
    yield f"  {version.model} {version.name}: learned up to {version.as_of} from snapshot {version.snapshot_hash}"
    yield f"  code commit {version.git_commit or 'not recorded'}, MLflow run {version.run_id}; {version.folder}"
    yield f"  {event['kind']} on {event['decided_at'][:10]} by {event['decided_by']}: {event['reason']}"


def _decision(home: Home, table: str, model_version: str) -> dict[str, Any] | None:
    """The newest decision on a version, a promotion before a refusal."""
    models = [EXPORTS[table].model] if table in EXPORTS else NAMES
    found = [event for model in models for event in decisions.events(home, model)]
    alike = [event for event in found if event["model_version"] == model_version]
    return max(alike, key=lambda event: (event["kind"] == decisions.PROMOTION, event["decided_at"]), default=None)


def _run(home: Home, night: Night, row: Row) -> Iterator[str]:
    """What the run id stands for."""
    yield f"run {row['run_id']}"
    made = export_ledger.made(home, night)
    if made is None:
        yield "  the ledger does not tell by which code it was made"
    else:
        yield f"  code commit {made['commit']}, exported {made['recorded_at'][:16].replace('T', ' ')} UTC"
        yield f"  inputs {made['inputs']}: {explained_inputs.loaded(home, night.as_of, made['inputs'])}"
    if late := night.manifest["late_feeds"]:
        yield f"  partial: without {', '.join(late)}"
    yield f"  {night.rows}, SHA-256 {night.sha256}"


def _columns(cells: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Lines of a name, a value and a meaning, one below the other."""
    names, values = (min(max(len(cell[place]) for cell in cells), 40) for place in (0, 1))
    for name, value, meaning in cells:
        yield f"  {name:<{names}}  {value:<{values}}  {meaning}".rstrip()


def _shown(value: str | None) -> str:
    return "-" if value is None else value
