"""What changed in a feed's columns since its last load, and whether the mapping can do without what is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import UsageError
from pipelines.feeds import TOMBSTONE, Feed
from pipelines.mapping_sql import column_paths
from pipelines.masking import mask, shown
from pipelines.sources import Source
from pipelines.whole_files import DeliveredFile

# Lines of JSON may have any keys, a person's address among them: no more than this are remembered, and those masked.
_MOST_COLUMNS = 1_000


@dataclass(frozen=True)
class Drift:
    """The columns a feed's files ever had, those of them that this batch lacks, and a line for each change."""

    columns: list[str]
    absent: list[str]
    notes: list[str]

    @property
    def record(self) -> dict[str, list[str]]:
        return {"columns": self.columns, "absent_columns": self.absent}


def drift(feed: Feed, source: Source, files: Sequence[DeliveredFile], last_load: Mapping[str, Any] | None) -> Drift:
    """Compare the files' columns with the mapping and with the feed's last load, so that a change is noted once.

    Raises `UsageError` for a file without a column that a required contract column or `where` reads.
    """
    last = last_load or {}
    known = dict.fromkeys(last.get("columns") or (_masked(files[0].columns) if files else ()))
    absent, notes = dict.fromkeys(last.get("absent_columns", ())), []
    missing: dict[str, None] = {}
    read = {name.lower() for name in source.referenced_columns(feed.name)}
    for file in files:
        for name in _masked(file.columns):
            if name not in known and len(known) < _MOST_COLUMNS and name.lower() not in read:
                notes.append(f"{feed.name}: new column {name!r} in {file.path.name}, not read by the mapping")
            if len(known) < _MOST_COLUMNS:
                known[name] = None
        for name in absent_columns(feed, source, file):
            if name == TOMBSTONE and not source.select and name not in known:
                continue
            if name not in absent and name not in missing:
                filled = ", ".join(_readers(feed, source, name))
                notes.append(f"{feed.name}: no column {name!r} in {file.path.name}; {filled} filled with null")
            missing[name] = None
    return Drift(list(known), list(missing if files else absent), notes)


def _masked(names: Iterable[str]) -> list[str]:
    return [mask(name) for name in names]


def absent_columns(feed: Feed, source: Source, file: DeliveredFile) -> list[str]:
    """What the mapping reads and the file lacks. Raises `UsageError` when the feed cannot do without.

    Lines of JSON each have fields of their own, so a row without a required one is refused by itself.
    """
    if source.format == "jsonl":
        return []
    present = {name.lower() for name in file.columns}
    absent = [name for name in source.referenced_columns(feed.name) if name.lower() not in present]
    for name in absent:
        if any(_is_needed(feed, source, reader) for reader in _readers(feed, source, name)):
            raise UsageError(
                f"feeds.{feed.name}: no column {name!r} in {file.path.name}; "
                f"expected {_listed(source.referenced_columns(feed.name))} | found {_listed(file.columns)}"
            )
    return absent


def _readers(feed: Feed, source: Source, name: str) -> list[str]:
    texts = source.expressions(feed.name) | ({"where": source.where} if source.where else {})
    return [reader for reader, text in texts.items() if name in {path[0] for path in column_paths(text)}]


def _is_needed(feed: Feed, source: Source, reader: str) -> bool:
    """A default stands in for a column that the store never had, not for one that the mapping says it has."""
    if reader == "where":
        return True
    column = feed.column(reader)
    return column.required and (bool(source.select) or column.default is None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(shown(name) for name in names)
