"""Policy of the dbt project, read from its manifest: layers, keys, words and contracts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import recorded_contracts
from pipelines.errors import NightshiftError

PROJECT = Path(__file__).parents[2] / "dbt_project"

# What a model of each layer may read; sources go by the name of their source.
MAY_READ = {
    "staging": {"raw", "staging"},
    "intermediate": {"seeds", "staging", "intermediate", "marts"},
    "marts": {"staging", "intermediate", "marts"},
    "features": {"staging", "intermediate", "marts", "features"},
    "exports": {"seeds", "marts", "features", "predictions", "decisions", "ledger"},
}
PREFIXES = {
    "staging": ("stg_",),
    "intermediate": ("int_",),
    "marts": ("dim_", "fct_", "mart_", "meta_"),
    "features": ("feat_",),
    "exports": ("exp_",),
}
CONTRACTED = ("marts", "features", "exports")

# The grammar of the glossary: what a column's name says of its type.
TYPES_BY_NAME = {
    r"(is|has)_\w+": {"boolean"},
    r"\w+_at": {"timestamp"},
    r"\w+_on": {"date"},
    r"\w+_amount": {"decimal(18,2)"},
    r"\w+_pct": {"double"},
    r"(?!has_)\w+_(price|cost)": {"decimal(18,4)"},
    r"\w+_rate": {"decimal(18,8)"},
    r"(\w+_)?count": {"integer"},
    r"\w+_score": {"integer"},
    r"(\w+_)?units(_\w+)?": {"decimal(18,3)", "decimal(18,4)", "double"},
    r"\w*_?days(_\w+)?": {"integer", "double"},
    r"\w+_(id|key)|sku|\w+_sku": {"varchar"},
}
# And back: a column of such a type is named so, but for a few older than the grammar or fixed by a contract.
NAMES_BY_TYPE = {
    "boolean": r"(is|has)_\w+",
    "timestamp": r"\w+_at",
    "date": r"\w+_on|as_of|valid_from|valid_to|forecast_date",
    "decimal(18,2)": r"\w+_amount",
    "decimal(18,3)": r"(\w+_)?units(_\w+)?|pack_size|min_order_quantity",
}
# Amounts that are always in the store's currency; beside any other stands the row's currency.
IN_STORE_CURRENCY = re.compile(r"store_\w+|(cost|costed_revenue|margin|margin_lost|stock_cost|cart)_amount")

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


def test_every_feed_has_one_staging_model_and_is_read_by_nothing_else_but_the_books_of_states(manifest: Node) -> None:
    raw = {uid: source["name"] for uid, source in manifest["sources"].items() if source["source_name"] == "raw"}
    books = ("stg_deletions", "stg_event_repeats")
    readers = {
        name: [m["name"] for m in _models(manifest) if uid in m["depends_on"]["nodes"] and m["name"] not in books]
        for uid, name in raw.items()
    }
    assert len(raw) == 11
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
    """Of the view over millions of clicks, where they are held."""
    counts = {m["name"]: len(_tests_of(manifest, m["unique_id"], "primary_key")) for m in _models(manifest)}
    assert {name: count for name, count in counts.items() if count != 1} == {"stg_events": 0}
    assert manifest["nodes"]["model.nightshift.fct_events"]["depends_on"]["nodes"] == ["model.nightshift.stg_events"]


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


def _columns(manifest: Node) -> Iterator[tuple[str, str, Node]]:
    """Model, name and definition of every column that analysts read."""
    for model in _models(manifest):
        if model["schema"] in CONTRACTED:
            for name, column in model["columns"].items():
                yield model["name"], name, column


def test_a_columns_name_tells_its_type_and_its_type_the_name(manifest: Node) -> None:
    wrong = []
    for model, name, column in _columns(manifest):
        said = [types for pattern, types in TYPES_BY_NAME.items() if re.fullmatch(pattern, name)]
        is_misnamed = not re.fullmatch(NAMES_BY_TYPE.get(column["data_type"], ".*"), name)
        if is_misnamed or any(column["data_type"] not in types for types in said):
            wrong.append(f"{model}.{name} {column['data_type']}")
    assert wrong == []


def test_one_name_is_one_quantity_of_one_type(manifest: Node) -> None:
    """Of the same name the first sentence is the same; a model may add one of its own."""
    said: dict[str, set[tuple[str, str]]] = {}
    for _, name, column in _columns(manifest):
        first = re.split(r"(?<=[.;]) |;", column["description"])[0].rstrip(".;")
        said.setdefault(name, set()).add((column["data_type"], first))
    assert {name: meanings for name, meanings in said.items() if len(meanings) > 1} == {}


def test_beside_money_stands_its_currency(manifest: Node) -> None:
    names: dict[str, set[str]] = {}
    for model, name, _ in _columns(manifest):
        names.setdefault(model, set()).add(name)
    bare = [
        f"{model}.{name}"
        for model, columns in names.items()
        for name in columns
        if name.endswith("_amount") and not IN_STORE_CURRENCY.fullmatch(name) and "currency" not in columns
    ]
    assert bare == []


def test_every_model_has_an_owner(manifest: Node) -> None:
    assert [m["name"] for m in _models(manifest) if not m["config"]["meta"].get("owner")] == []


def test_a_mart_says_what_it_answers_and_shows_how(manifest: Node) -> None:
    headings = ("One row is ", "Question: ", "Assumptions: ", "Nuance: ", "Primary key: ", "Example query:")
    marts = [m for m in _models(manifest) if m["name"].startswith("mart_")]
    said = {
        m["name"]: re.findall(r"(?:^|\n\n)([A-Z][^:\n]*?(?:: |:(?=\n)|(?<=One row is )))", m["description"])
        for m in marts
    }
    assert marts
    assert {name: found for name, found in said.items() if tuple(found) != headings} == {}
    assert [m["name"] for m in marts if f" marts.{m['name']}\n" not in f"{m['description']}\n"] == []


def test_every_export_and_the_status_report_are_exposures(manifest: Node) -> None:
    shown = {
        e["name"]: {node.split(".")[-1] for node in e["depends_on"]["nodes"]} for e in manifest["exposures"].values()
    }
    exports = {m["name"] for m in _models(manifest) if m["schema"] == "exports"}
    assert "status_report" in shown
    assert {name.removeprefix("exp_"): {name} for name in exports}.items() <= shown.items()


def test_every_export_keeps_the_contract_that_is_recorded_of_its_version(manifest: Node) -> None:
    """A changed one is recorded by `make contracts`, which refuses what would break a reader of the version."""
    recorded = {path.name: path.read_bytes() for path in recorded_contracts.FOLDER.glob("*.json")}
    wanted = {recorded_contracts.file_name(c): c.json_schema() for c in recorded_contracts.stated(manifest)}
    assert {name: recorded.get(name) for name in wanted} == wanted, "run: make contracts"


def test_a_breaking_change_is_not_recorded(manifest: Node, tmp_path: Path) -> None:
    (path, *_) = recorded_contracts.record(manifest, tmp_path)
    before = path.read_bytes()
    changed = json.loads(json.dumps(manifest))
    changed["nodes"]["model.nightshift.exp_demand_forecast"]["columns"]["units_mean"]["data_type"] = "double"
    with pytest.raises(NightshiftError, match=r"demand_forecast v1: column units_mean was DECIMAL\(18,4\), is DOUBLE"):
        recorded_contracts.record(changed, tmp_path)
    assert path.read_bytes() == before


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


def test_what_names_a_person_is_marked(manifest: Node) -> None:
    """A column that may hold a customer's or visitor's id is left out for a wider audience, alone or with its table."""
    names = r"(customer|visitor|session|cart)_(id|key)|referenced_id|(email|phone)(_hash)?"
    bare = [
        f"{model['name']}.{name}"
        for model in _models(manifest)
        if model["schema"] in CONTRACTED and model["config"]["meta"].get("holds") != "customers"
        for name, column in model["columns"].items()
        if re.fullmatch(names, name) and column["config"]["meta"].get("holds") != "customers"
    ]
    assert bare == []
    marked = [m["name"] for m in _models(manifest) if m["config"]["meta"].get("holds") == "customers"]
    assert sorted(marked) == [
        "dim_customer",
        "fct_carts",
        "fct_events",
        "fct_sessions",
        "feat_cart",
        "feat_cart_message",
        "feat_cart_purchase",
        "mart_customer_rfm",
        "mart_returns_customers",
    ]
