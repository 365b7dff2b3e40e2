"""What every DAG must be. The files are parsed in a fresh process, as Airflow's own parser would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.questions import NAMES, description
from pipelines.feeds import FEEDS, INGESTIONS

DAGS = Path(__file__).parents[2] / "dags"
DAG_IDS = {*INGESTIONS, "nightly", "training"}
TAGS = {"nightshift", "ingest", "night", "training"}
HEAVY = {"pandas", "numpy", "pyarrow", "duckdb", "mlflow", "lightgbm", "great_expectations", "dbt", "statsmodels"}
HOLDERS = {("training", "build"), *(("nightly", step) for step in ("build", "score", "tables", "export", "publish"))}

PARSE = """
import json, sys
from importlib import import_module
from pathlib import Path
import airflow.providers.standard.operators.trigger_dagrun
from airflow.dag_processing.dagbag import DagBag
from airflow.triggers.base import BaseTrigger

touched = []
TOUCHING = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "sqlite3.connect", "os.mkdir", "os.remove")

def look(event, arguments):
    if event in TOUCHING or (event == "open" and not str(arguments[0]).endswith((".py", ".pyc"))):
        touched.append(f"{event} {arguments[0]}")

sys.addaudithook(look)
for path in Path(sys.argv[1]).glob("*.py"):
    import_module(f"dags.{path.stem}")
by_the_dags = list(touched)
sys.path.insert(0, sys.argv[1])
bag = DagBag(sys.argv[1])
print(json.dumps({
    "touched": by_the_dags,
    "import_errors": bag.import_errors,
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "pipelines": sorted(name for name in sys.modules if name.startswith("pipelines.")),
    "dags": {dag_id: {
        "file": dag.fileloc,
        "tags": sorted(dag.tags),
        "doc": dag.doc_md,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "timetable": type(dag.timetable).__name__,
        "params": {name: dag.params.get_param(name).schema | {"description": dag.params.get_param(name).description}
                   for name in dag.params},
        "tasks": {task.task_id: {
            "id": task.task_id,
            "owner": task.owner,
            "retries": task.retries,
            "retry_policy": type(task.retry_policy).__name__,
            "hours": task.execution_timeout and task.execution_timeout.total_seconds() / 3600,
            "mapped_over": task.op_kwargs_expand_input.value if task.is_mapped else {},
            "rule": task.trigger_rule.value,
            "pool": task.pool,
            "upstream": sorted(task.upstream_task_ids),
            "inlets": sorted(asset.name for asset in task.inlets or []),
            "outlets": sorted(asset.name for asset in task.outlets or []),
            "is_teardown": task.is_teardown,
        } for task in dag.tasks},
    } for dag_id, dag in bag.dags.items()},
}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    # What Python compiles is no touch of the DAGs'.
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
    }
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(DAGS)], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_exactly_these_dags_and_no_import_error(parsed: dict[str, Any]) -> None:
    assert parsed["import_errors"] == {}
    assert set(parsed["dags"]) == DAG_IDS


def test_parsing_loads_nothing_heavy_and_of_ours_only_what_is_data(parsed: dict[str, Any]) -> None:
    assert HEAVY.isdisjoint(parsed["modules"])
    assert parsed["pipelines"] == ["pipelines.currencies", "pipelines.errors", "pipelines.feeds"]


def test_parsing_touches_neither_disk_nor_network(parsed: dict[str, Any]) -> None:
    assert parsed["touched"] == []


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_every_dag_keeps_the_house_rules(parsed: dict[str, Any], dag_id: str) -> None:
    dag = parsed["dags"][dag_id]
    assert Path(dag["file"]).stem == dag_id
    assert len(Path(dag["file"]).read_text().splitlines()) < 60
    assert dag["doc"].lstrip().startswith("# ")
    assert "nightshift" in dag["tags"]
    assert TAGS.issuperset(dag["tags"])
    assert dag["timetable"] == "CronDataIntervalTimetable"
    assert dag["catchup"] is False
    # A run that waits for a late file must not keep others from loading; loads of one feed take turns by themselves.
    assert dag["max_active_runs"] == (4 if dag_id in INGESTIONS else 1)
    assert "as_of" in dag["params"]
    for task in dag["tasks"].values():
        assert task["owner"] == "data-platform"
        assert task["retry_policy"] == "FittingRetries"
        assert task["retries"] >= 8, "forty minutes of patience"
        assert task["hours"] == (None if task["id"] == "wait" else 6), "whatever hangs ends; the wait has a deadline"


def test_only_who_holds_the_home_queues_for_its_one_slot(parsed: dict[str, Any]) -> None:
    pooled = {
        (dag_id, task_id)
        for dag_id, dag in parsed["dags"].items()
        for task_id, task in dag["tasks"].items()
        if task["pool"] == "warehouse"
    }
    assert pooled == HOLDERS


def test_the_home_is_released_whatever_happens(parsed: dict[str, Any]) -> None:
    for dag_id, after in (("nightly", ["publish"]), ("training", ["build"])):
        release = parsed["dags"][dag_id]["tasks"]["release"]
        assert release["is_teardown"]
        assert release["upstream"] == after


def test_the_night_runs_in_order(parsed: dict[str, Any]) -> None:
    tasks = parsed["dags"]["nightly"]["tasks"]
    order = ["wait", "build", "score", "tables", "export", "publish"]
    after = [[], ["wait"], ["build"], ["build", "score"], ["tables"], ["build", "export", "tables"]]
    assert [tasks[task]["upstream"] for task in order] == after


def test_every_feed_model_and_export_is_a_task_of_its_own(parsed: dict[str, Any]) -> None:
    exports = {export.name for name in NAMES for export in description(name).exports}
    night = parsed["dags"]["nightly"]["tasks"]
    assert night["score"]["mapped_over"] == {"model": list(NAMES)}
    assert parsed["dags"]["training"]["tasks"]["train"]["mapped_over"] == {"model": list(NAMES)}
    assert set(night["export"]["mapped_over"]["table"]) == exports
    mapped = {dag_id: parsed["dags"][dag_id]["tasks"]["ingest"]["mapped_over"]["feed"] for dag_id in INGESTIONS}
    assert mapped == {d: [f.name for f in FEEDS.values() if f.ingestion == d] for d in INGESTIONS}


def test_what_fails_stops_nothing_beside_it_and_every_run_ends_with_a_verdict(parsed: dict[str, Any]) -> None:
    night = parsed["dags"]["nightly"]["tasks"]
    assert {name for name, task in night.items() if task["rule"] == "all_done"} >= {"tables", "export", "publish"}
    for dag in parsed["dags"].values():
        verdict = dag["tasks"]["verdict"]
        others = {name for name in dag["tasks"] if name not in ("verdict", "release", "night_at_once")}
        assert (verdict["rule"], set(verdict["upstream"])) == ("all_done", others)


def test_assets_show_the_lineage(parsed: dict[str, Any]) -> None:
    outlets = {
        (dag_id, asset)
        for dag_id, dag in parsed["dags"].items()
        for task in dag["tasks"].values()
        for asset in task["outlets"]
    }
    made_by_night = {("nightly", name) for name in ("snapshot", "predictions", "exports")}
    loaded = {(dag_id, dag_id.replace("ingest", "loaded")) for dag_id in INGESTIONS}
    assert outlets == {*loaded, *made_by_night, ("training", "snapshot")}
    night = parsed["dags"]["nightly"]["tasks"]
    chain = [(name, night[name]["inlets"], night[name]["outlets"]) for name in ("build", "score", "export")]
    assert chain == [
        ("build", sorted(f"raw_{feed}" for feed in FEEDS), ["snapshot"]),
        ("score", ["snapshot"], ["predictions"]),
        ("export", ["predictions"], ["exports"]),
    ]


INGESTION_PARAMS = ("as_of", "first_day", "last_day", "feeds", "night_at_once", "dry_run")
PARAMS = {
    **{dag_id: set(INGESTION_PARAMS) for dag_id in INGESTIONS},
    "nightly": {"as_of", "models", "wait_hours", "dry_run"},
    "training": {"as_of", "models"},
}


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_every_parameter_has_a_form(parsed: dict[str, Any], dag_id: str) -> None:
    params = parsed["dags"][dag_id]["params"]
    assert set(params) == PARAMS[dag_id]
    for name, schema in params.items():
        assert schema["title"], name
        assert schema["description"].endswith("."), name
        assert schema["type"] in (["null", "string"], "array", "boolean", "number"), name
