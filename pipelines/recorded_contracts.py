"""The contracts of all exports as the dbt project states them, recorded in docs/contracts; run by `make contracts`.

What is recorded is what readers were promised: a change that would break one of them is refused without a new major
version, whose contract is recorded beside the old one.
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
from pipelines.exports import EXPORTS
from pipelines.home import write_atomically
from pipelines.settings import Settings
from pipelines.warehouse import PROJECT

FOLDER = PROJECT.parent / "docs" / "contracts"


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
        for path in record(_parsed(), FOLDER):
            sys.stdout.write(f"{path}\n")
    except NightshiftError as error:
        sys.exit(str(error))
