"""The contract of an export: its columns and its key, from which its schema in every form is derived.

The one definition is the dbt model `exp_<table>`, whose contract dbt enforces on the table it builds; the key and the
major version stand in the model's description. Within a major version a contract may gain a nullable column, no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from pipelines.errors import NightshiftError

_JSON_TYPES: dict[str, dict[str, Any]] = {
    "BOOLEAN": {"type": "boolean"},
    "SMALLINT": {"type": "integer", "minimum": -(2**15), "maximum": 2**15 - 1},
    "INTEGER": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "BIGINT": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "DOUBLE": {"type": "number"},
    "DECIMAL": {"type": "number"},
    "VARCHAR": {"type": "string"},
    "DATE": {"type": "string", "format": "date"},
    "TIMESTAMP": {"type": "string"},
}
_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class ExportColumn:
    """A column of an export; `type` is DuckDB's name of it."""

    name: str
    type: str
    is_nullable: bool
    meaning: str


@dataclass(frozen=True)
class Contract:
    """What a major version of an export promises. `row_key` tells rows of one night apart: the key without `as_of`."""

    table: str
    version: int
    key: tuple[str, ...]
    columns: tuple[ExportColumn, ...]

    @property
    def row_key(self) -> tuple[str, ...]:
        return tuple(name for name in self.key if name != "as_of") or self.key

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def schema(self) -> list[dict[str, Any]]:
        """The columns as a manifest lists them."""
        return [{"name": column.name, "type": column.type} for column in self.columns]

    def json_schema(self) -> bytes:
        """JSON Schema of one row; `x-key` and `x-type` say what JSON cannot, so that the contract can be read back."""
        properties = {
            column.name: {
                **_json_type(column),
                "x-type": column.type,
                **({"description": column.meaning} if column.meaning else {}),
            }
            for column in self.columns
        }
        content = {
            "$schema": _SCHEMA,
            "title": f"{self.table} v{self.version}",
            "x-table": self.table,
            "x-version": self.version,
            "x-key": list(self.key),
            "type": "object",
            "properties": properties,
            "required": [column.name for column in self.columns if not column.is_nullable],
            "additionalProperties": False,
        }
        return json.dumps(content, indent=2).encode() + b"\n"

    @classmethod
    def of_json_schema(cls, text: bytes) -> Contract:
        content = json.loads(text)
        columns = tuple(
            ExportColumn(name, kind["x-type"], name not in content["required"], kind.get("description", ""))
            for name, kind in content["properties"].items()
        )
        return cls(content["x-table"], content["x-version"], tuple(content["x-key"]), columns)

    @classmethod
    def of_table(
        cls, connection: duckdb.DuckDBPyConnection, table: str, version: int, key: tuple[str, ...]
    ) -> Contract:
        """The contract as dbt has built it: `exports.exp_<table>` with its types, constraints and comments."""
        rows = connection.execute(
            "select column_name, data_type, is_nullable, coalesce(comment, '') from duckdb_columns() "
            "where schema_name = 'exports' and table_name = $name order by column_index",
            {"name": f"exp_{table}"},
        ).fetchall()
        return cls._of(table, version, key, tuple(ExportColumn(*row) for row in rows))

    @classmethod
    def of_model(cls, model: Mapping[str, Any], version: int, key: tuple[str, ...]) -> Contract:
        """The contract as dbt's manifest states it for the model `exp_<table>`."""
        columns = tuple(
            ExportColumn(
                name,
                _duckdb_type(column["data_type"]),
                all(rule["type"] not in ("not_null", "primary_key") for rule in column["constraints"]),
                column["description"],
            )
            for name, column in model["columns"].items()
        )
        return cls._of(model["name"].removeprefix("exp_"), version, key, columns)

    @classmethod
    def _of(cls, table: str, version: int, key: tuple[str, ...], columns: tuple[ExportColumn, ...]) -> Contract:
        names = {column.name for column in columns}
        if absent := [name for name in key if name not in names]:
            raise NightshiftError(f"export {table} v{version}: its key has no column {', '.join(absent)}")
        for column in columns:
            if column.type.partition("(")[0] not in _JSON_TYPES:
                raise NightshiftError(
                    f"export {table} v{version}: column {column.name} is {column.type}; an export has "
                    f"{', '.join(_JSON_TYPES)}"
                )
        kept = tuple(replace(c, is_nullable=c.is_nullable and c.name not in key) for c in columns)
        return cls(table, version, key, kept)


def breaks(before: Contract, now: Contract) -> list[str]:
    """What readers of `before` could stumble over in `now`; none when `now` has nullable columns more at most."""
    found = [] if before.key == now.key else [f"the key was {', '.join(before.key)}, is {', '.join(now.key)}"]
    columns = {column.name: column for column in now.columns}
    allowed = {*before.names, *(column.name for column in now.columns if column.is_nullable)}
    for old in before.columns:
        new = columns.get(old.name)
        if new is None:
            found.append(f"column {old.name} is gone")
        elif new.type != old.type:
            found.append(f"column {old.name} was {old.type}, is {new.type}")
        elif new.is_nullable != old.is_nullable:
            found.append(f"column {old.name} {'may now be' if new.is_nullable else 'was allowed to be'} null")
    found += [f"column {c.name} is new and not nullable" for c in now.columns if c.name not in allowed]
    if not found and now.names[: len(before.names)] != before.names:
        found.append("its columns stand in another order; a new one comes last")
    return found


def refuse_breaking(before: Contract, now: Contract) -> None:
    """Raise a `NightshiftError` that names what would break and the remedy."""
    if broken := breaks(before, now):
        raise NightshiftError(
            f"export {now.table} v{now.version}: {'; '.join(broken)}. A reader of v{now.version} relies on it: "
            f"raise the version in the model's description to {now.version + 1}, which is delivered beside it"
        )


def _json_type(column: ExportColumn) -> dict[str, Any]:
    kind = dict(_JSON_TYPES[column.type.partition("(")[0]])
    if column.is_nullable:
        kind["type"] = [kind["type"], "null"]
    return kind


def _duckdb_type(data_type: str) -> str:
    """The name DuckDB gives to a type of the dbt project."""
    if not re.fullmatch(r"\w+( ?\(\d+, ?\d+\))?", data_type):
        raise NightshiftError(f"{data_type!r} is no type of an export's column")
    return str(duckdb.execute(f"select typeof(null::{data_type})").fetchall()[0][0])
