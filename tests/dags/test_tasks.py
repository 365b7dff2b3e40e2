"""What a night leaves out when a part of it failed, and what it calls the part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from planted_night import ALL, ENDS, PlantedNight

from dags.shared import tasks
from models.questions import NAMES
from pipelines import night_exports, nights
from pipelines.errors import NightshiftError


@pytest.fixture(autouse=True)
def tonight(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    night = SimpleNamespace(settings=None, as_of=date(2025, 3, 1), owner="airflow nightly x")
    night.skip_unless_asked = lambda param, name: None

    @contextmanager
    def held() -> Any:
        yield night

    monkeypatch.setattr(tasks, "night", held)
    return night


def body(task: Any) -> Callable[..., Any]:
    """The plain function of a task."""
    return task.function


@pytest.mark.parametrize("name", ENDS)
def test_the_night_ends_as_by_the_command(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """tests/unit/test_nights_in_part.py asks the same of `nightshift run`."""
    end, planted = ENDS[name], PlantedNight()
    planted.stand_in(monkeypatch)
    end.plant(planted, NightshiftError)
    snapshot = None if "build" in planted.faults else "snapshot"
    scored = [model for model in NAMES if snapshot and result(tasks.score, model)]
    built = result(tasks.tables, scored, snapshot)
    delivered = [table for table in sorted(ALL) if result(tasks.export, table, built)]
    result(tasks.publish, delivered, built)
    assert tuple(planted.published) == end.published


def result(task: Any, *arguments: Any) -> Any:
    """What a task hands on; nothing when it failed or was skipped."""
    try:
        return body(task)(*arguments)
    except (NightshiftError, AirflowSkipException, AirflowFailException):
        return None


def test_a_dry_run_or_a_failed_build_leaves_no_table_to_build() -> None:
    with pytest.raises(AirflowSkipException, match="the warehouse was not built"):
        body(tasks.tables)([], None)


@pytest.mark.parametrize(
    ("built", "outcome", "reason"),
    [
        ({"demand_forecast": "", "return_risk": ""}, None, ""),
        ({"demand_forecast": ""}, AirflowSkipException, "return_risk: left out, returns was not scored"),
        ({"demand_forecast": "", "return_risk": "Got 2 results"}, AirflowFailException, "Got 2 results"),
        (None, AirflowSkipException, "return_risk: left out, no table was built"),
    ],
    ids=["right", "its model failed", "its table failed", "dbt failed"],
)
def test_an_export_leaves_only_when_its_table_is_right(
    monkeypatch: pytest.MonkeyPatch, built: Mapping[str, str] | None, outcome: type[Exception] | None, reason: str
) -> None:
    delivered: list[str] = []
    monkeypatch.setattr(night_exports, "deliver", lambda s, d, o, table: delivered.append(table))
    if outcome is None:
        assert body(tasks.export)("return_risk", built) == "return_risk"
        assert delivered == ["return_risk"]
    else:
        with pytest.raises(outcome, match=f"^{reason}$"):
            body(tasks.export)("return_risk", built)
        assert delivered == []


@pytest.fixture
def triggered(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Airflow was asked to run."""
    asked: list[Any] = []
    monkeypatch.setattr(TriggerDagRunOperator, "execute", lambda self, context: asked.append(self.conf))
    return asked


@pytest.mark.parametrize(
    ("newest", "as_of"), [(date(2025, 3, 3), "2025-03-03"), (None, "2025-03-01")], ids=["built before", "never built"]
)
def test_the_newest_night_runs_again_at_once_when_asked(
    monkeypatch: pytest.MonkeyPatch, triggered: list[Any], newest: date | None, as_of: str
) -> None:
    monkeypatch.setattr(nights, "newest_built_day", lambda settings: newest)
    tasks.night_at_once().execute({"params": {"night_at_once": True}})
    assert triggered == [{"as_of": as_of}]


def test_else_the_next_night_takes_it_in(triggered: list[Any]) -> None:
    with pytest.raises(AirflowSkipException, match="the next night takes in what was loaded"):
        tasks.night_at_once().execute({"params": {"night_at_once": False}})
    assert triggered == []
