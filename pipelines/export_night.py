"""Nights of exports as they lie in files: `<table>/v<version>/as_of=<day>/` with a manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.errors import NightshiftError
from pipelines.export_contract import Contract, ExportColumn
from pipelines.home import Home
from pipelines.ledger import file_sha256

MANIFEST, LATEST, SCHEMA_FILE, DDL_FILE = "manifest.json", "latest.json", "schema.json", "postgres.sql"


@dataclass(frozen=True)
class Night:
    """One night of one table and major version; raises `NightshiftError` where its manifest is absent or damaged."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        path = self.folder / MANIFEST
        try:
            content: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise NightshiftError(f"{path} is missing: no night was exported there, or its copy is not whole") from None
        except ValueError:
            raise NightshiftError(f"{path} is damaged: it is no JSON") from None
        return content

    @property
    def table(self) -> str:
        return str(self.manifest["table"])

    @property
    def version(self) -> int:
        return int(self.manifest["version"])

    @property
    def as_of(self) -> date:
        return date.fromisoformat(self.manifest["as_of"])

    @property
    def valid_until(self) -> datetime:
        return datetime.fromisoformat(self.manifest["valid_until"])

    @property
    def rows(self) -> Path:
        """The Parquet file."""
        return self.folder / str(self.manifest["files"][0]["name"])

    @property
    def sha256(self) -> str:
        """That of the Parquet file: the same rows have the same."""
        return str(self.manifest["files"][0]["sha256"])

    @property
    def delta_file(self) -> Path | None:
        file = self.manifest["delta"]["file"]
        return self.folder / file["name"] if file else None

    @property
    def files(self) -> list[dict[str, Any]]:
        """What the manifest says of every file beside it."""
        delta = self.manifest["delta"]["file"]
        return [*self.manifest["files"], *([delta] if delta else [])]

    @cached_property
    def contract(self) -> Contract:
        """That of the version as it is now, of which the night may lack the columns that came last."""
        schema = self.folder.parent / SCHEMA_FILE
        if schema.exists():
            return Contract.of_json_schema(schema.read_bytes())
        key = tuple(self.manifest["key"])
        columns = (ExportColumn(c["name"], c["type"], c["name"] not in key, "") for c in self.manifest["schema"])
        return Contract(self.table, self.version, key, tuple(columns))

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column["name"] for column in self.manifest["schema"])

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns whose change is a change of the row."""
        left_out = {*self.contract.row_key, *self.manifest["not_compared"]}
        return tuple(name for name in self.contract.names if name not in left_out)

    def refuse_damaged(self) -> None:
        """Raise a `NightshiftError` that names the first file that is not what the manifest says."""
        for file in self.files:
            path = self.folder / file["name"]
            if not path.exists():
                raise NightshiftError(f"{path} is missing, its manifest names it; export the night again")
            if file_sha256(path) != file["sha256"]:
                raise NightshiftError(f"{path} has not the SHA-256 of its manifest; export the night again")


def latest_of(manifest: Mapping[str, Any], manifest_sha256: str) -> dict[str, str]:
    """What `latest.json` says while it names a night."""
    return {
        "table": manifest["table"],
        "as_of": manifest["as_of"],
        "manifest": f"as_of={manifest['as_of']}/{MANIFEST}",
        "manifest_sha256": manifest_sha256,
        "valid_until": manifest["valid_until"],
    }


def nights(home: Home, table: str = "*") -> Iterator[Night]:
    """The nights that lie in a home, by table, version and day."""
    found = {}
    for path in home.exports.glob(f"{table}/v*/as_of=*/{MANIFEST}"):
        folder = path.parent
        if match := re.fullmatch(r"v(\d+)", folder.parent.name):
            found[folder.parent.parent.name, int(match[1]), folder.name] = Night(folder)
    return (found[place] for place in sorted(found))
