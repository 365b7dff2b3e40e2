"""What dbt's last run came to: seconds by model and test, and the models that failed, with the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BAD, _SHOWN, _LONGEST = ("error", "fail"), 3, 200


@dataclass(frozen=True)
class DbtOutcome:
    """`seconds` by name of model or test; `failed` is the reason by model, its own or that of one it comes from.

    `reasons` has the same by what failed itself: a model or a test.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, target: Path) -> DbtOutcome:
        """From what dbt wrote beside its manifest; nothing where it did not start."""
        written = target / "run_results.json"
        if not written.exists():
            return cls()
        results = json.loads(written.read_bytes())["results"]
        manifest = json.loads((target / "manifest.json").read_bytes())
        nodes = manifest["nodes"] | manifest.get("unit_tests", {})
        bad = {result["unique_id"]: _reason(result) for result in results if result["status"] in _BAD}
        doubtful = dict(bad)
        # In dbt's own order, so that a parent comes before its children.
        for result in results:
            if result["status"] == "skipped" and (cause := _cause(nodes, result["unique_id"], doubtful)):
                doubtful[result["unique_id"]] = cause
        failed: dict[str, str] = {}
        for unique_id, reason in doubtful.items():
            for model in _models_of(nodes, unique_id):
                failed.setdefault(nodes[model]["name"], reason)
        return cls(
            {_name(result["unique_id"]): round(result["execution_time"], 2) for result in results},
            {_name(unique_id): reason for unique_id, reason in bad.items()},
            failed,
        )

    def told(self, log: Path) -> str:
        """One line: the first models and tests that failed."""
        first = [f"{name} ({reason})" for name, reason in list(self.reasons.items())[:_SHOWN]]
        more = f" and {len(self.reasons) - _SHOWN} more" if len(self.reasons) > _SHOWN else ""
        return f"dbt build failed: {'; '.join(first) or 'it did not start'}{more}; the whole output is in {log}"


def _reason(result: Mapping[str, Any]) -> str:
    return " ".join(str(result["message"]).split())[:_LONGEST]


def _name(unique_id: str) -> str:
    return unique_id.split(".")[2]


def _cause(nodes: Mapping[str, Any], unique_id: str, doubtful: Mapping[str, str]) -> str:
    """Why a model or test was skipped: what it, or a test of what it reads, waited for."""
    parents = nodes[unique_id]["depends_on"]["nodes"]
    for parent in parents:
        if parent in doubtful:
            return f"{_name(parent)} failed"
    for other in doubtful:
        if set(nodes[other]["depends_on"]["nodes"]) & set(parents):
            return f"{_name(other)} failed"
    return ""


def _models_of(nodes: Mapping[str, Any], unique_id: str) -> list[str]:
    """The model itself, or what a test is about."""
    about = [unique_id] if nodes[unique_id]["resource_type"] == "model" else nodes[unique_id]["depends_on"]["nodes"]
    return [parent for parent in about if nodes.get(parent, {}).get("resource_type") == "model"]
