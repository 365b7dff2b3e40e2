"""sources.yml: the store, and how each of its files maps to a feed contract."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipelines.errors import UsageError
from pipelines.feeds import FEEDS

DS = "{ds}"
# They see more than the row, or make several rows of one.
_REFUSED_FUNCTIONS = {"current_setting", "getenv", "getvariable", "query", "query_table", "unnest"}


class Store(BaseModel):
    """What holds for the whole store. `timezone` decides which business day an instant belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    timezone: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    prices_include_tax: bool = False

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(f"{name!r} is no IANA time zone such as Europe/London")
        return name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Source(BaseModel):
    """How one feed is delivered.

    `select` maps a contract column to a SQL expression over the file's columns; without it the file's columns
    carry the contract's names. Expressions see every row of the delivery (window functions may look across
    them) before `where` drops rows. `ds` states the day of a snapshot feed's bulk history.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    format: Literal["csv", "jsonl", "parquet"]
    select: dict[str, str] = {}
    where: str | None = None
    ds: date | None = None
    max_quarantine_share: Annotated[float | None, Field(ge=0, le=1)] = None

    @property
    def is_bulk(self) -> bool:
        return DS not in self.uri

    @field_validator("uri")
    @classmethod
    def _inside_landing(cls, uri: str) -> str:
        if not uri or any("**" in part and part != "**" for part in Path(uri).parts):
            raise ValueError("a uri names files; ** stands for folders and alone between slashes")
        if uri.startswith("/") or ".." in Path(uri).parts or "://" in uri:
            raise ValueError("a uri is a path below the landing folder (see --landing), without '..'")
        if uri.count(DS) > 1:
            raise ValueError("{ds} may stand once in a uri")
        return uri

    def expressions(self, feed: str) -> dict[str, str]:
        return self.select or {name: f'"{name}"' for name in FEEDS[feed].column_names}

    def referenced_columns(self, feed: str) -> list[str]:
        """The file's columns that the mapping needs, in order of first mention."""
        texts = [*self.expressions(feed).values(), *([self.where] if self.where else [])]
        return list(dict.fromkeys(name for text in texts for name in _references(text)))


class Sources(BaseModel):
    """A whole sources.yml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    store: Store
    feeds: dict[str, Source]

    @model_validator(mode="after")
    def _mapping(self) -> Sources:
        for feed, source in self.feeds.items():
            if feed not in FEEDS:
                raise ValueError(f"feeds.{feed}: no such feed; there are {', '.join(FEEDS)}")
            for column, expression in source.select.items():
                if column not in FEEDS[feed].column_names:
                    known = ", ".join(FEEDS[feed].column_names)
                    raise ValueError(f"feeds.{feed}.select.{column}: no such column; there are {known}")
                _parse(f"feeds.{feed}.select.{column}", expression)
            if source.where:
                _parse(f"feeds.{feed}.where", source.where)
            _check_required(feed, source)
        return self


def load_sources(path: Path) -> Sources:
    """Read and check a sources.yml. Raises `UsageError` naming the file, the feed and the column at fault."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; nightshift init writes one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as text: {error}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    try:
        return Sources.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{path}: {where + ': ' if where else ''}{message}") from None


def _check_required(feed: str, source: Source) -> None:
    if source.select:
        for column in FEEDS[feed].columns:
            if column.required and column.default is None and column.name not in source.select:
                raise ValueError(f"feeds.{feed}.select: the required column {column.name} is not mapped")
    if source.is_bulk and FEEDS[feed].is_snapshot and source.ds is None:
        raise ValueError(f"feeds.{feed}: state the day of this snapshot beside the uri, as ds: YYYY-MM-DD")


def _parse(where: str, expression: str) -> Any:
    statement = f"select ({expression}\n)"
    row = duckdb.execute("select json_serialize_sql($sql)", {"sql": statement}).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        raise ValueError(f"{where}: not a SQL expression: {tree['error_message']}")
    selected = [statement["node"].get("select_list", []) for statement in tree["statements"]]
    if [len(columns) for columns in selected] != [1] or any(_nodes(tree, "SUBQUERY")):
        raise ValueError(f"{where}: one expression over the file's own columns, without a subquery")
    for function in _nodes(tree, "FUNCTION"):
        if function["function_name"] in _REFUSED_FUNCTIONS:
            raise ValueError(f"{where}: {function['function_name']}() may not stand in a mapping")
    return tree


def _nodes(tree: Any, kind: str) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if tree.get("class") == kind:
            yield tree
        for child in tree.values():
            yield from _nodes(child, kind)
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child, kind)


def _references(expression: str) -> list[str]:
    names = [node["column_names"] for node in _nodes(_parse("expression", expression), "COLUMN_REF")]
    return [parts[0] for parts in names]


def day_pattern(uri: str) -> re.Pattern[str]:
    """A pattern whose group `ds` catches the business day in a path that matches a `{ds}` uri."""
    before, _, after = uri.partition(DS)
    return re.compile(f"{_glob_regex(before)}(?P<ds>\\d{{4}}-\\d{{2}}-\\d{{2}}){_glob_regex(after)}$")


def _glob_regex(glob: str) -> str:
    return re.escape(glob).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
