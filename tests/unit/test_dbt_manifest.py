"""Policy of the dbt project, read from its manifest: layers, keys, words and contracts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2] / "dbt_project"

# What a model of each layer may read; sources go by the name of their source.
MAY_READ = {
    "staging": {"raw"},
    "intermediate": {"seeds", "staging", "intermediate", "marts"},
    "marts": {"staging", "intermediate", "marts"},
    "features": {"staging", "intermediate", "marts", "features"},
    "exports": {"marts", "features", "predictions"},
}
PREFIXES = {
    "staging": ("stg_",),
    "intermediate": ("int_",),
    "marts": ("dim_", "fct_", "mart_", "meta_"),
    "features": ("feat_",),
    "exports": ("exp_",),
}
CONTRACTED = ("marts", "features", "exports")

Node = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Parsed without any variable, and with every warning, deprecations included, taken for an error."""
    folder = tmp_path_factory.mktemp("dbt")
    places = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    outputs = ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), "--warn-error", "parse", *places, *outputs],
        env={**os.environ, "NIGHTSHIFT_WAREHOUSE": str(folder / "warehouse.duckdb")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    parsed: Node = json.loads((folder / "target" / "manifest.json").read_text())
    return parsed


def _models(manifest: Node) -> Iterator[Node]:
    return (node for node in manifest["nodes"].values() if node["resource_type"] == "model")


def _layer(manifest: Node, unique_id: str) -> str:
    if unique_id in manifest["sources"]:
        return str(manifest["sources"][unique_id]["source_name"])
    return str(manifest["nodes"][unique_id]["schema"])


def _tests_of(manifest: Node, unique_id: str, name: str) -> list[Node]:
    return [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and node.get("attached_node") == unique_id
        and (node.get("test_metadata") or {}).get("name") == name
    ]


def test_every_layer_has_models_and_only_these_layers_exist(manifest: Node) -> None:
    assert {model["schema"] for model in _models(manifest)} == set(MAY_READ)


def test_every_feed_has_one_staging_model_and_is_read_by_nothing_else(manifest: Node) -> None:
    raw = {uid: source["name"] for uid, source in manifest["sources"].items() if source["source_name"] == "raw"}
    readers = {
        name: [m["name"] for m in _models(manifest) if uid in m["depends_on"]["nodes"]] for uid, name in raw.items()
    }
    assert len(raw) == 10
    assert readers == {name: [f"stg_{name}"] for name in raw.values()}


def test_references_flow_downwards_only(manifest: Node) -> None:
    upwards = [
        f"{model['name']} ({model['schema']}) reads {parent}"
        for model in _models(manifest)
        for parent in model["depends_on"]["nodes"]
        if _layer(manifest, parent) not in MAY_READ[model["schema"]]
    ]
    assert upwards == []


def test_a_models_name_tells_its_layer(manifest: Node) -> None:
    assert [m["name"] for m in _models(manifest) if not m["name"].startswith(PREFIXES[m["schema"]])] == []


def test_every_model_says_what_a_row_is_under_the_same_headings(manifest: Node) -> None:
    headings = ("One row is ", "\n\nAssumptions: ", "\n\nPrimary key: ")
    assert [m["name"] for m in _models(manifest) if not m["description"].startswith(headings[0])] == []
    assert [m["name"] for m in _models(manifest) if any(h not in m["description"] for h in headings)] == []


def test_every_models_primary_key_is_tested_once(manifest: Node) -> None:
    counts = {m["name"]: len(_tests_of(manifest, m["unique_id"], "primary_key")) for m in _models(manifest)}
    assert {name: count for name, count in counts.items() if count != 1} == {}


def test_marts_features_and_exports_keep_a_contract_with_every_column_described(manifest: Node) -> None:
    contracted = [model for model in _models(manifest) if model["schema"] in CONTRACTED]
    assert [m["name"] for m in contracted if not m["config"]["contract"]["enforced"]] == []
    bare = [
        f"{model['name']}.{column['name']}"
        for model in contracted
        for column in model["columns"].values()
        if not column["description"] or not column["data_type"]
    ]
    assert bare == []


def test_what_analysts_read_is_tables(manifest: Node) -> None:
    """A published copy holds no staging, so that a view would point nowhere."""
    assert [
        m["name"]
        for m in _models(manifest)
        if m["schema"] in CONTRACTED and m["config"]["materialized"] not in ("table", "incremental")
    ] == []


def test_every_unit_test_is_a_sentence(manifest: Node) -> None:
    tests = manifest["unit_tests"].values()
    assert tests
    assert [test["name"] for test in tests if not test["description"].strip().endswith(".")] == []
