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

from dags.shared import defaults, tasks
from pipelines import night_exports, nights

ALL = set(defaults.EXPORTS)
OF_DEMAND = [table for table, model in defaults.EXPORTS.items() if model == "demand"]


@pytest.fixture(autouse=True)
def tonight(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    night = SimpleNamespace(settings=None, as_of=date(2025, 3, 1), owner="airflow nightly x")

    @contextmanager
    def held() -> Any:
        yield night

    monkeypatch.setattr(tasks, "night", held)
    return night


def body(task: Any) -> Callable[..., Any]:
    """The plain function of a task."""
    return task.function


def test_tables_are_built_of_the_models_that_were_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    def fates(settings: Any, as_of: date, owner: str, models: list[str]) -> dict[str, str]:
        return {table: "" for table, model in defaults.EXPORTS.items() if model in models}

    monkeypatch.setattr(night_exports, "tables_by_fate", fates)
    assert set(body(tasks.tables)(["demand"])) == set(OF_DEMAND)
    with pytest.raises(AirflowSkipException, match="no model was scored"):
        body(tasks.tables)([])


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


@pytest.mark.parametrize(
    ("delivered", "built", "without"),
    [
        (sorted(ALL), dict.fromkeys(ALL, ""), set()),
        (OF_DEMAND, dict.fromkeys(OF_DEMAND, ""), ALL - set(OF_DEMAND)),
        (OF_DEMAND, dict.fromkeys(ALL, ""), ALL - set(OF_DEMAND)),
        (sorted(ALL), dict.fromkeys(ALL, "") | {"model_decisions": "Got 1 result"}, {"model_decisions"}),
    ],
    ids=["all are right", "a model failed", "an export failed", "a table beside the exports failed"],
)
def test_what_is_published_lacks_whatever_is_not_right(
    monkeypatch: pytest.MonkeyPatch, delivered: list[str], built: dict[str, str], without: set[str]
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(nights, "publish", lambda *_, **options: asked.update(options))
    body(tasks.publish)(delivered, built)
    assert set(asked["without"]) == without


def test_without_any_export_nothing_is_published() -> None:
    with pytest.raises(AirflowSkipException, match="what is published stays"):
        body(tasks.publish)([], dict.fromkeys(ALL, ""))


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
