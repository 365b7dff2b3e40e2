"""The contracts of all exports as the dbt project states them, recorded in docs/contracts; run by `make contracts`.

What is recorded is what readers were promised: a change that would break one of them is refused without a new major
version, whose contract is recorded beside the old one. The pages for readers in docs/exports get their columns from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.errors import NightshiftError
from pipelines.export_contract import Contract, refuse_breaking
from pipelines.export_pages import written
from pipelines.exports import EXPORTS, not_compared
from pipelines.home import write_atomically
from pipelines.settings import Settings
from pipelines.warehouse import PROJECT

FOLDER = PROJECT.parent / "docs" / "contracts"
PAGES = PROJECT.parent / "docs" / "exports"


def file_name(contract: Contract) -> str:
    return f"{contract.table}_v{contract.version}.json"


def stated(manifest: dict[str, Any]) -> list[Contract]:
    """The contract of every export, from dbt's manifest."""
    models = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    return [Contract.of_model(models[f"exp_{name}"], table.version, table.key) for name, table in EXPORTS.items()]


def record(manifest: dict[str, Any], folder: Path) -> list[Path]:
    """Write the contracts; raises `NightshiftError`, before any is written, when one breaks what is recorded."""
    contracts = {folder / file_name(contract): contract for contract in stated(manifest)}
    for path, contract in contracts.items():
        if path.exists():
            refuse_breaking(Contract.of_json_schema(path.read_bytes()), contract)
    for path, contract in contracts.items():
        write_atomically(path, contract.json_schema())
        path.chmod(0o644)
    return list(contracts)


def record_pages(manifest: dict[str, Any], pages: Path) -> list[Path]:
    """Write what the contracts say into the pages for readers; a table without a page gets one."""
    models = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    paths = []
    for contract in stated(manifest):
        path = pages / f"{contract.table}.md"
        page = path.read_text() if path.exists() else None
        meaning = models[f"exp_{contract.table}"]["description"]
        content = written(page, contract, not_compared(EXPORTS[contract.table]), meaning)
        write_atomically(path, content.encode())
        path.chmod(0o644)
        paths.append(path)
    return paths


def _parsed() -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        places = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        places += ["--target-path", folder, "--log-path", folder]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "parse", *places],
            env=Settings().child_environment({"NIGHTSHIFT_WAREHOUSE": f"{folder}/warehouse.duckdb"}, has_key=False),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NightshiftError(f"dbt cannot parse the project: {done.stdout.splitlines()[-1]}")
        manifest: dict[str, Any] = json.loads((Path(folder) / "manifest.json").read_bytes())
        return manifest


if __name__ == "__main__":
    try:
        found = _parsed()
        for path in [*record(found, FOLDER), *record_pages(found, PAGES)]:
            sys.stdout.write(f"{path}\n")
    except NightshiftError as error:
        sys.exit(str(error))
