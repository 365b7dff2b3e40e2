"""sources.yml: the store, and how each of its files maps to a feed contract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipelines.completion import Completion
from pipelines.errors import UsageError
from pipelines.feeds import FEEDS
from pipelines.mapping_sql import ColumnPath, column_paths, column_structure, parse_expression
from pipelines.strict_yaml import load_yaml
from pipelines.uris import DS, S3, checked_uri

UTF_8: Final = "utf-8"
_TABLE = re.compile(r"[^.]+\.[^.]+")


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
    them) before `where` drops rows. `ds` states the day of a snapshot feed's bulk history. `decimal` and
    `thousands` hold for what a numeric contract column is mapped to, as long as that is text. A SQL source has no
    `uri` but a `connection` (a name: its secret is a setting), a `table` and the column `updated_at`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = ""
    format: Literal["csv", "jsonl", "parquet", "postgres"]
    connection: Annotated[str | None, Field(pattern="^[a-z][a-z0-9_]*$")] = None
    table: str | None = None
    updated_at: Annotated[str | None, Field(min_length=1)] = None
    select: dict[str, str] = {}
    where: str | None = None
    ds: date | None = None
    max_quarantine_share: Annotated[float | None, Field(ge=0, le=1)] = None
    complete: Completion | None = None
    # How a CSV file is written; the other formats leave no choice.
    delimiter: Annotated[str, Field(pattern=r"""^[^"\r\n\x01]$""")] = ","
    encoding: Literal["utf-8", "latin-1", "windows-1252", "utf-16"] = UTF_8
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'", "\u00a0", "\u202f"] | None = None

    @model_validator(mode="after")
    def _dialect(self) -> Source:
        for name in ("delimiter", "encoding", "decimal", "thousands"):
            if self.format != "csv" and name in self.model_fields_set:
                raise ValueError(f"{name} is for csv; {self.format} files have one notation only")
        if self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal cannot both be {self.decimal!r}")
        return self

    @property
    def is_bulk(self) -> bool:
        return not self.is_sql and DS not in self.uri

    @property
    def is_sql(self) -> bool:
        return self.format == "postgres"

    @property
    def is_s3(self) -> bool:
        return self.uri.startswith(S3)

    @property
    def place(self) -> str:
        """Where the feed comes from, as a person would name it."""
        return f"{self.connection}/{self.table}" if self.is_sql else self.uri

    @field_validator("uri")
    @classmethod
    def _inside_landing(cls, uri: str) -> str:
        return checked_uri(uri)

    def expressions(self, feed: str) -> dict[str, str]:
        return self.select or {name: f'"{name}"' for name in FEEDS[feed].column_names}

    def referenced_columns(self, feed: str) -> list[str]:
        """The file's columns that the mapping needs, in order of first mention."""
        return list(dict.fromkeys(path[0] for path in self.referenced_paths(feed)))

    def referenced_paths(self, feed: str) -> list[ColumnPath]:
        """The same with the fields that are read of a column that holds objects."""
        texts = [*self.expressions(feed).values(), *([self.where] if self.where else [])]
        return list(dict.fromkeys(path for text in texts for path in column_paths(text)))


class Sources(BaseModel):
    """A whole sources.yml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    store: Store
    feeds: dict[str, Source]

    @model_validator(mode="after")
    def _mapping(self) -> Sources:
        problems = [problem for feed, source in self.feeds.items() for problem in _feed_problems(feed, source)]
        if problems:
            raise ValueError("\n".join(problems))
        return self


def load_sources(path: Path) -> Sources:
    """Read and check a sources.yml. Raises `UsageError` naming the file, the feed and the column at fault."""
    content = read_sources(path)
    try:
        return Sources.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{path}: {mapping_problems(error)[0]}") from None


def read_sources(path: Path) -> Any:
    """The content of a sources.yml as it was written. Raises `UsageError` when it is no YAML."""
    try:
        return load_yaml(path.read_text())
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; nightshift init writes one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as text: {error}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not readable as YAML: {error}") from None


def mapping_problems(error: ValidationError) -> list[str]:
    """What is wrong with a sources.yml, one line each: the place, then what is wrong there."""
    lines = []
    for found in error.errors():
        where = ".".join(str(part) for part in found["loc"])
        message = found["msg"].removeprefix("Value error, ")
        lines += [f"{where}: {message}"] if where else message.splitlines()
    return lines


def _feed_problems(feed: str, source: Source) -> Iterator[str]:
    if feed not in FEEDS:
        yield f"feeds.{feed}: no such feed; there are {', '.join(FEEDS)}"
        return
    known = FEEDS[feed].column_names
    unparsed = []
    for column, expression in source.select.items():
        if column not in known:
            yield f"feeds.{feed}.select.{column}: no such column; there are {', '.join(known)}"
        unparsed += list(_expression_problems(f"feeds.{feed}.select.{column}", expression))
    if source.where:
        unparsed += list(_expression_problems(f"feeds.{feed}.where", source.where))
    yield from unparsed
    yield from _place_problems(feed, source)
    yield from _contract_problems(feed, source)
    if not unparsed and source.format == "jsonl":
        try:
            column_structure(source.referenced_paths(feed))
        except ValueError as error:
            yield f"feeds.{feed}: {error}"


def _expression_problems(where: str, expression: str) -> Iterator[str]:
    try:
        parse_expression(where, expression)
    except ValueError as error:
        yield str(error)


def _place_problems(feed: str, source: Source) -> Iterator[str]:
    place = {name: getattr(source, name) for name in ("connection", "table", "updated_at")}
    if not source.is_sql:
        if given := [name for name, value in place.items() if value is not None]:
            yield f"feeds.{feed}.{given[0]}: only format: postgres has it"
        if not source.uri:
            yield f"feeds.{feed}.uri: state where the files lie"
        if source.complete:
            yield from (f"feeds.{feed}.complete.{problem}" for problem in source.complete.problems(source.uri))
        return
    if source.complete:
        yield f"feeds.{feed}.complete: format: postgres has none; a day of a table is complete when it is over"
    for name in ("uri", "ds"):
        if getattr(source, name):
            yield f"feeds.{feed}.{name}: format: postgres has none; its days are those of updated_at"
    if absent := [name for name, value in place.items() if value is None]:
        yield f"feeds.{feed}.{absent[0]}: format: postgres needs connection, table and updated_at"
    if not _TABLE.fullmatch(source.table or ""):
        yield f"feeds.{feed}.table: write it as schema.table"
    if FEEDS[feed].is_snapshot:
        yield (
            f"feeds.{feed}.format: a snapshot feed lists all it knows every day, and a SQL source is read for what "
            "changed; deliver it as files"
        )


def _contract_problems(feed: str, source: Source) -> Iterator[str]:
    if source.select:
        for column in FEEDS[feed].columns:
            if column.required and column.default is None and column.name not in source.select:
                yield f"feeds.{feed}.select: the required column {column.name} is not mapped"
    if source.is_bulk and FEEDS[feed].is_snapshot and source.ds is None:
        yield f"feeds.{feed}: state the day of this snapshot beside the uri, as ds: YYYY-MM-DD"
