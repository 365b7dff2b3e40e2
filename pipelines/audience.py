"""What a wider audience does not read: the rows of single customers and visitors, as the dbt project marks them.

A model with `meta: {holds: customers}` is about people, a row each; a column with that mark names one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.errors import NightshiftError

Table = tuple[str, str]


@dataclass(frozen=True)
class LeftOut:
    """Tables, by schema and name, and columns of other tables that are not published."""

    tables: frozenset[Table] = frozenset()
    columns: Mapping[Table, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.tables and not self.columns


def customers(manifest: Path) -> LeftOut:
    """What the manifest of the last build marks; without a manifest nothing may be published to a wider audience."""
    if not manifest.exists():
        raise NightshiftError(f"{manifest} is missing, and with it what holds customers; run: nightshift build")
    models = list(_models(json.loads(manifest.read_bytes())))
    marked = {
        (model["schema"], model["name"]): tuple(
            name for name, column in model["columns"].items() if _is_marked(column["config"]["meta"])
        )
        for model in models
    }
    tables = frozenset((model["schema"], model["name"]) for model in models if _is_marked(model["config"]["meta"]))
    return LeftOut(tables, {table: names for table, names in marked.items() if names})


def _models(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (node for node in manifest["nodes"].values() if node["resource_type"] == "model")


def _is_marked(meta: Mapping[str, Any]) -> bool:
    return bool(meta.get("holds") == "customers")
