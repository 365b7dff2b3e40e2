"""A sources.yml drafted from a store's own files: what is sure is written, what is not stands there as a comment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os.path import commonpath
from pathlib import Path

import yaml

from pipelines.delivered_sql import identifier, literal
from pipelines.errors import NightshiftError, visible
from pipelines.feeds import BOOLEAN, DATE, INSTANT, TEXT, Column
from pipelines.mapping_sql import column_paths
from pipelines.masking import shown
from pipelines.source_match import NOTATIONS, Match, best_match, castable, reads_all, time_formats
from pipelines.source_profile import profile
from pipelines.source_synonyms import STATES
from pipelines.sources import UTF_8
from pipelines.uris import DS

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHOWN_VALUES = 8
_HEAD = """\
# Drafted by `nightshift sources scaffold`. See to every TODO, then try it: nightshift sources check
version: 1
store:
  name: my store
  timezone: Europe/London      # TODO decides which business day an instant belongs to
  currency: GBP                # TODO ISO 4217
  country: GB                  # TODO ISO 3166
  prices_include_tax: false    # TODO
"""


@dataclass(frozen=True)
class Draft:
    """The text of a sources.yml, the feeds it maps, and a line for each file that it does not use."""

    text: str
    feeds: tuple[str, ...]
    notes: tuple[str, ...]


def draft_sources(files: Sequence[Path], landing: Path) -> Draft:
    """Draft a mapping of the files. Raises `NightshiftError` when a file cannot be read or none resembles a feed."""
    files = [file.absolute() for file in files]
    is_landed = all(file.is_relative_to(landing) for file in files)
    base = landing if is_landed else Path(commonpath([file.parent for file in files]))
    entries: dict[str, tuple[Match, str]] = {}
    notes = []
    for file in files:
        uri, match = _uri(file.relative_to(base)), best_match(profile(file))
        if match is None:
            notes.append(f"{file.name}: it resembles no feed")
            continue
        known = entries.get(match.feed.name)
        if known is None or (known[1] != uri and match.score > known[0].score):
            entries[match.feed.name] = (match, uri)
        loser = known if known and entries[match.feed.name] is not known else (match, uri)
        if known and known[1] != uri:
            notes.append(f"{loser[1]}: left out, {entries[match.feed.name][1]} resembles {match.feed.name} more")
    if not entries:
        raise NightshiftError(
            f"none of the {len(files)} files resembles a feed; see pipelines/feeds.py for the contracts"
        )
    head = _HEAD if is_landed else f"{_HEAD}# The uris are below {visible(str(base))}: deliver there, with --landing.\n"
    lines = [line for match, uri in entries.values() for line in _entry(match, uri)]
    unused = [f"# {visible(note)}" for note in notes]
    return Draft(head + "\n".join(["feeds:", *lines, *unused]) + "\n", tuple(entries), tuple(notes))


def _uri(name: Path) -> str:
    """The path with its last date as `{ds}`; a date that stands there twice is the same day anyway."""
    text = re.sub(r"[\[\]*?]", "?", name.as_posix())
    *before, last = _DAY.split(text)
    return f"{'*'.join(before)}{DS}{last}" if before else text


def _entry(match: Match, uri: str) -> Iterator[str]:
    found = match.profile
    yield f"  {match.feed.name}:"
    yield f"    uri: {_scalar(uri)}"
    yield f"    format: {found.format}"
    if found.format == "csv":
        yield from _dialect(match)
    if DS not in uri:
        yield from _bulk(match)
    yield "    select:"
    for column in match.feed.columns:
        if column.name in match.columns:
            yield from _selected(match, column)
        elif column.required and column.default is None:
            yield f"      # TODO required: {column.name} ({_wanted(column)})"
    optional = [column.name for column in match.missing if not column.required or column.default is not None]
    if optional:
        yield f"      # not found, optional: {', '.join(optional)}"
    if unused := _unused(match):
        yield f"    # columns of the file that nothing reads: {', '.join(unused)}"


def _dialect(match: Match) -> Iterator[str]:
    notations = _notations(match)
    decimal, thousands = notations[0]
    defaults = {"delimiter": ",", "encoding": UTF_8, "decimal": ".", "thousands": None}
    values = (match.profile.delimiter, match.profile.encoding, decimal, thousands)
    for (name, default), value in zip(defaults.items(), values, strict=True):
        if value != default:
            yield f"    {name}: {json.dumps(value)}"
    if decimal == "," and (".", ",") in notations:
        yield '    # TODO or is 1,234 a thousand here? then thousands: "," and no decimal'


def _bulk(match: Match) -> Iterator[str]:
    if match.feed.is_snapshot:
        day = datetime.fromtimestamp(match.profile.path.stat().st_mtime, UTC).date()
        yield f"    ds: {day}  # TODO the day this snapshot describes; this is the day the file was written"
    elif not any(name in match.columns for name in match.feed.instants):
        yield f"    # TODO bulk history is split by the day of its rows: map {' or '.join(match.feed.instants)}"
    if re.search(r"\d{8}", match.profile.path.name):
        yield "    # a day in a file's name is written YYYY-MM-DD; then {ds} can stand for it"


def _selected(match: Match, column: Column) -> Iterator[str]:
    path = match.columns[column.name]
    values = match.profile.values[path]
    name = ".".join(_named(part) for part in path)
    if column.type in (INSTANT, DATE) and castable(values, column.type) < 1 and (formats := time_formats(values)):
        if len({format[:2] for format in formats}) > 1:
            yield f"      # TODO day and month of {column.name} could be the other way round"
        day = "::DATE" if "%H" not in formats[0] else ""
        name = f"try_strptime({name}, '{formats[0]}'){day}"
    elif column.values:
        name, unknown = _known_values(match.feed.name, column, name, values)
        if unknown:
            yield f"      # TODO {column.name} holds values that the contract does not know: {', '.join(unknown)}"
            yield f"      # it knows {_wanted(column)}"
    yield f"      {column.name}: {_scalar(name)}"


def _known_values(feed: str, column: Column, name: str, values: Sequence[str]) -> tuple[str, list[str]]:
    """An expression that turns the file's words into the contract's, and the words that it cannot turn."""
    seen = sorted(set(values))
    if all(value in column.values for value in seen):
        return name, []
    case = "upper" if column.values[0].isupper() else "lower"
    text = f"{case}(trim({name}))"
    states = STATES.get(feed, {}) if column.name == "status" else {}
    folded = {value: value.upper() if case == "upper" else value.lower() for value in seen}
    used = sorted({word for word in folded.values() if word in states})
    unknown = [shown(value) for value, word in folded.items() if word not in column.values and word not in states]
    if used:
        # These are words of our own table; what a file holds never becomes SQL.
        branches = " ".join(f"when {literal(word)} then {literal(states[word])}" for word in used)
        text = f"case {text} {branches} else {text} end"
    return text, unknown[:_SHOWN_VALUES]


def _notations(match: Match) -> list[tuple[str, str | None]]:
    """The ways of writing numbers in which all numbers of the file can be read."""
    numeric = [column.name for column in match.feed.columns if column.type not in (TEXT, INSTANT, DATE, BOOLEAN)]
    values = [value for name in numeric if name in match.columns for value in match.profile.values[match.columns[name]]]
    return [notation for notation in NOTATIONS if reads_all(values, *notation)] or [NOTATIONS[0]]


def _unused(match: Match) -> list[str]:
    used = set(match.columns.values())
    tops = {path[0] for path in used}
    return [shown(".".join(path)) for path in match.profile.values if path not in used and _is_leaf(path, match, tops)]


def _is_leaf(path: tuple[str, ...], match: Match, tops: set[str]) -> bool:
    """A field that nothing reads; objects are told by their fields if some of these are read, else by themselves."""
    if path[0] not in tops:
        return len(path) == 1
    is_whole = (path[0],) in match.columns.values()
    return not is_whole and not any(other[: len(path)] == path and other != path for other in match.profile.values)


def _wanted(column: Column) -> str:
    if len(column.values) > _SHOWN_VALUES:
        return f"a code such as {column.values[0]}; one for all: {column.name}: \"'{column.values[0]}'\""
    return f"one of {', '.join(column.values)}" if column.values else column.type


def _named(name: str) -> str:
    """The name as SQL reads it: bare where it can stand so."""
    try:
        is_bare = re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) and column_paths(name) == ((name,),)
    except ValueError:
        is_bare = False
    return name if is_bare else identifier(name)


def _scalar(text: str) -> str:
    dumped = yaml.safe_dump(text, allow_unicode=True, width=1 << 20).removesuffix("...\n").strip()
    return dumped if dumped.isprintable() else json.dumps(text)
