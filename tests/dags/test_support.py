"""What a task makes of its run: the business day, the range, the owner, the kind of failure, the wait."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError, TaskDeferred

from dags import support
from pipelines.errors import NightshiftError


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    run = SimpleNamespace(dag_id="nightly", run_id="manual__1", run_after=datetime(2025, 3, 2, 9, tzinfo=UTC))
    context: dict[str, Any] = {"dag_run": run, "params": {"as_of": None}}
    monkeypatch.setattr(support, "get_current_context", lambda: context)
    return context


def test_a_scheduled_run_means_the_last_day_that_was_over(context: dict[str, Any]) -> None:
    context["data_interval_end"] = datetime(2025, 2, 28, 2, tzinfo=UTC)
    with support.night() as night:
        assert night.as_of == date(2025, 2, 27)
        assert night.days == (date(2025, 2, 27), date(2025, 2, 27))
        assert night.owner == "airflow nightly manual__1"
        assert night.is_scheduled


def test_a_run_without_an_interval_means_the_day_before(context: dict[str, Any]) -> None:
    with support.night() as night:
        assert night.as_of == date(2025, 3, 1)


def test_parameters_win(context: dict[str, Any]) -> None:
    context["params"] = {"as_of": "2024-12-24", "first_day": None, "last_day": "2024-12-31"}
    with support.night() as night:
        assert night.as_of == date(2024, 12, 24)
        assert night.days == (None, date(2024, 12, 31))
        assert not night.is_scheduled


def test_our_own_errors_are_never_retried_and_keep_their_text(context: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException, match="12 % bad rows"), support.night():
        raise NightshiftError("order_lines: 12 % bad rows")
    with pytest.raises(OSError, match="disk"), support.night():
        raise OSError("disk")


@pytest.mark.parametrize("text", ["2025-13-01", "2025-1-1", "yesterday", "2025-01-01; drop table x", ""])
def test_a_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParamValidationError):
        support.day_param("a day").resolve(text)


def test_the_wait_is_deferred_only_while_a_feed_is_missing(
    context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = support.FeedsLanded(task_id="wait", patience=timedelta(hours=8))
    monkeypatch.setattr(support, "_missing_feeds", lambda as_of: [])
    wait.execute(context)
    monkeypatch.setattr(support, "_missing_feeds", lambda as_of: ["orders", "events"])
    with pytest.raises(TaskDeferred) as deferred:
        wait.execute(context)
    path, kwargs = deferred.value.trigger.serialize()
    assert path == "dags.support.FeedsTrigger"
    assert kwargs["as_of"] == "2025-03-01"


def test_the_wait_fails_with_the_names_of_the_missing_feeds(context: dict[str, Any]) -> None:
    wait = support.FeedsLanded(task_id="wait", patience=timedelta(hours=8))
    wait.resume(context, {"as_of": "2025-03-01", "missing": []})
    with pytest.raises(AirflowFailException, match="2025-03-01: not delivered after 8:00:00: orders, events"):
        wait.resume(context, {"as_of": "2025-03-01", "missing": ["orders", "events"]})


@pytest.mark.parametrize(
    ("looks", "patience", "missing"),
    [
        ([["orders"], ["orders"], []], timedelta(hours=1), []),
        ([["orders"], ["orders"], []], timedelta(0), ["orders"]),
    ],
    ids=["until they land", "until the deadline"],
)
def test_the_trigger_polls(
    monkeypatch: pytest.MonkeyPatch, looks: list[list[str]], patience: timedelta, missing: list[str]
) -> None:
    remaining = iter(looks)
    monkeypatch.setattr(support, "_missing_feeds", lambda as_of: next(remaining))
    trigger = support.FeedsTrigger("2025-03-01", (datetime.now(UTC) + patience).isoformat(), poll_seconds=0.01)

    async def first_event() -> dict[str, Any]:
        return (await anext(trigger.run())).payload

    assert asyncio.run(first_event()) == {"as_of": "2025-03-01", "missing": missing}
