"""What every DAG must be. The files are parsed in a fresh process, as Airflow's own parser would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.feeds import FEEDS, INGESTIONS

DAGS = Path(__file__).parents[2] / "dags"
DAG_IDS = {*INGESTIONS, "nightly", "training"}
TAGS = {"nightshift", "ingest", "night", "training"}
HEAVY = {"pandas", "numpy", "pyarrow", "duckdb", "mlflow", "lightgbm", "great_expectations", "dbt", "statsmodels"}
WRITERS = {("nightly", "build"), ("nightly", "export"), ("nightly", "publish"), ("training", "build")}

PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
print(json.dumps({
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
        "params": sorted(dag.params),
        "tasks": {task.task_id: {
            "owner": task.owner,
            "retries": task.retries,
            "pool": task.pool,
            "upstream": sorted(task.upstream_task_ids),
            "outlets": sorted(asset.name for asset in task.outlets or []),
            "is_teardown": task.is_teardown,
        } for task in dag.tasks},
    } for dag_id, dag in bag.dags.items()},
}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow"))}
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(DAGS)], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_exactly_these_dags_and_no_import_error(parsed: dict[str, Any]) -> None:
    assert parsed["import_errors"] == {}
    assert set(parsed["dags"]) == DAG_IDS


def test_parsing_loads_nothing_heavy_and_of_ours_only_the_contracts(parsed: dict[str, Any]) -> None:
    assert HEAVY.isdisjoint(parsed["modules"])
    assert parsed["pipelines"] == ["pipelines.currencies", "pipelines.feeds"]


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
    assert dag["max_active_runs"] == 1
    assert "as_of" in dag["params"]
    for task in dag["tasks"].values():
        assert task["owner"] == "data-platform"
        assert task["retries"] >= 2


def test_only_writers_of_the_warehouse_queue_for_its_one_slot(parsed: dict[str, Any]) -> None:
    pooled = {
        (dag_id, task_id)
        for dag_id, dag in parsed["dags"].items()
        for task_id, task in dag["tasks"].items()
        if task["pool"] == "warehouse"
    }
    assert pooled == WRITERS


def test_the_home_is_released_whatever_happens(parsed: dict[str, Any]) -> None:
    for dag_id, after in (("nightly", ["publish"]), ("training", ["build"])):
        release = parsed["dags"][dag_id]["tasks"]["release"]
        assert release["is_teardown"]
        assert release["upstream"] == after


def test_the_night_runs_in_order(parsed: dict[str, Any]) -> None:
    tasks = parsed["dags"]["nightly"]["tasks"]
    order = ["wait", "build", "score", "export", "publish"]
    assert [tasks[task]["upstream"] for task in order] == [[], ["wait"], ["build"], ["score"], ["export"]]


def test_assets_show_the_lineage(parsed: dict[str, Any]) -> None:
    outlets = {
        (dag_id, asset)
        for dag_id, dag in parsed["dags"].items()
        for task in dag["tasks"].values()
        for asset in task["outlets"]
    }
    made_by_night = {("nightly", name) for name in ("snapshot", "predictions", "exports")}
    assert outlets == {
        *((feed.ingestion, f"raw_{feed.name}") for feed in FEEDS.values()),
        *made_by_night,
        ("training", "snapshot"),
    }
