"""What a task makes of its run: the business day, the range, the owner, the retries that fit a fault, the wait."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowSkipException, ParamValidationError, TaskDeferred
from shop import Shop, lines

from dags.shared import defaults, runs, tasks, waiting
from pipelines import ledger
from pipelines.errors import CheckFailedError, HomeBusyError, NightshiftError, UnavailableError, UsageError
from pipelines.home import Home

DAY = date(2025, 3, 1)


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    run = SimpleNamespace(dag_id="nightly", run_id="manual__1", run_after=datetime(2025, 3, 2, 9, tzinfo=UTC))
    params = {"as_of": None, "wait_hours": 8, "dry_run": False, "models": ["demand", "returns"]}
    context: dict[str, Any] = {"dag_run": run, "params": params}
    for module in (runs, tasks):
        monkeypatch.setattr(module, "get_current_context", lambda: context)
    monkeypatch.setattr(runs, "mask_secret", lambda secret: None)
    return context


def test_a_scheduled_run_means_the_last_day_that_was_over(context: dict[str, Any]) -> None:
    context["data_interval_end"] = datetime(2025, 2, 28, 2, tzinfo=UTC)
    with runs.night() as night:
        assert night.as_of == date(2025, 2, 27)
        assert night.days == (date(2025, 2, 27), date(2025, 2, 27))
        assert night.owner == "airflow nightly manual__1"
        assert night.is_scheduled


def test_a_run_without_an_interval_means_the_day_before(context: dict[str, Any]) -> None:
    with runs.night() as night:
        assert night.as_of == DAY


def test_parameters_win(context: dict[str, Any]) -> None:
    context["params"] |= {"as_of": "2024-12-24", "first_day": None, "last_day": "2024-12-31"}
    with runs.night() as night:
        assert night.as_of == date(2024, 12, 24)
        assert night.days == (None, date(2024, 12, 31))
        assert not night.is_scheduled


def test_what_was_not_asked_for_is_skipped_by_name(context: dict[str, Any]) -> None:
    context["params"]["models"] = ["demand"]
    with runs.night() as night:
        night.skip_unless_asked("models", "demand")
        with pytest.raises(AirflowSkipException, match="returns: not asked for"):
            night.skip_unless_asked("models", "returns")


SECONDS = [20, 40, 80, 160, 320, 600, 600, 600]


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        (UnavailableError("the server does not answer"), SECONDS),
        (HomeBusyError("is held by"), SECONDS),
        (defaults.LateError("orders"), [1800] * 8),
        (NightshiftError("12 % bad rows"), []),
        (CheckFailedError("half of the day"), []),
        (UsageError("setting"), []),
        (KeyError("x"), [20, 40]),
        (MemoryError(), [20, 40]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_fault_is_tried_again_as_often_as_it_may_pass(fault: Exception, waits: list[int]) -> None:
    decisions = [defaults.FittingRetries().evaluate(fault, attempt, 8) for attempt in range(1, 9)]
    waited = [d.retry_delay.total_seconds() for d in decisions if d.action is RetryAction.RETRY and d.retry_delay]
    assert waited == waits
    assert all(decision.action is RetryAction.FAIL for decision in decisions[len(waits) :])


@pytest.mark.parametrize("text", ["2025-13-01", "2025-1-1", "yesterday", "2025-01-01; drop table x", ""])
def test_a_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParamValidationError):
        defaults.day_param("Day", "A day.").resolve(text)


@pytest.mark.parametrize("names", [[], ["demand", "demand"], ["demand'; drop table x"], "demand", None])
def test_models_that_are_none_are_refused(names: Any) -> None:
    with pytest.raises(ParamValidationError):
        defaults.MODELS["models"].resolve(names)


@pytest.mark.parametrize("hours", [-1, 49, "8; rm", None])
def test_a_patience_that_is_none_is_refused(hours: Any) -> None:
    with pytest.raises(ParamValidationError):
        defaults.WAIT["wait_hours"].resolve(hours)


@pytest.fixture
def waiting_shop(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Orders and customers come daily; only orders have come for the day."""
    shop.map(
        orders="{uri: 'orders/{ds}.csv', format: csv}",
        customers="{uri: 'customers/{ds}.csv', format: csv}",
    )
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(shop.root))
    return shop


def deliver(shop: Shop, *feeds: str) -> None:
    texts = {
        "orders": lines("order_id,ordered_at,status,currency", [f"1,{DAY}T10:00:00Z,placed,GBP"]),
        "customers": lines("customer_id", ["7"]),
    }
    for feed in feeds:
        shop.deliver(f"{feed}/{DAY}.csv", texts[feed])
        shop.ingest(feed, first=DAY, last=DAY)


def test_the_wait_is_deferred_while_a_feed_is_missing(context: dict[str, Any], waiting_shop: Shop) -> None:
    wait = waiting.FeedsLanded(task_id="wait")
    deliver(waiting_shop, "orders")
    with pytest.raises(TaskDeferred) as deferred:
        wait.execute(context)
    path, kwargs = deferred.value.trigger.serialize()
    assert path == "dags.shared.waiting.FeedsTrigger"
    assert kwargs["as_of"] == str(DAY)
    patience = datetime.fromisoformat(kwargs["deadline"]) - datetime.now(UTC)
    assert timedelta(hours=7, minutes=50) < patience <= timedelta(hours=8)

    deliver(waiting_shop, "customers")
    assert wait.execute(context) == []


def test_at_the_deadline_the_night_goes_on_and_names_the_late(
    context: dict[str, Any], waiting_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    wait = waiting.FeedsLanded(task_id="wait")
    deliver(waiting_shop, "orders")
    with caplog.at_level(logging.INFO):
        assert wait.resume(context, {}) == ["customers"]
        context["params"]["wait_hours"] = 0
        assert wait.execute(context) == ["customers"], "without patience it does not wait at all"
    assert f"{DAY}: goes on without customers" in caplog.text


def test_a_night_without_any_feed_fails_and_says_so_in_the_ledger(context: dict[str, Any], waiting_shop: Shop) -> None:
    with pytest.raises(NightshiftError, match=rf"{DAY}: no feed was delivered \(orders, customers\)"):
        waiting.FeedsLanded(task_id="wait").resume(context, {})
    (attempt,) = ledger.events(Home(waiting_shop.root), "attempts")
    assert (attempt["step"], attempt["outcome"], attempt["owner"]) == ("wait", "failed", "airflow nightly manual__1")


def test_a_dry_run_tells_the_plan_and_does_nothing(
    context: dict[str, Any], waiting_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(waiting_shop, "orders")
    context["params"]["dry_run"] = True
    with caplog.at_level(logging.INFO), pytest.raises(AirflowSkipException):
        waiting.FeedsLanded(task_id="wait").execute(context)
    assert [line for line in caplog.messages if line.startswith(("feeds: ", "late: ", "models: ", "exports: "))] == [
        "feeds: orders",
        "late: customers; the night would wait for them, then go on without",
        "models: none",
        "exports: none",
    ]
    assert not (waiting_shop.root / "night.json").exists()
    assert list(ledger.events(Home(waiting_shop.root), "attempts")) == []


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
    monkeypatch.setattr(waiting, "_missing_feeds", lambda as_of: next(remaining))
    trigger = waiting.FeedsTrigger(str(DAY), (datetime.now(UTC) + patience).isoformat(), poll_seconds=0.01)

    async def first_event() -> dict[str, Any]:
        return (await anext(trigger.run())).payload

    assert asyncio.run(first_event()) == {"missing": missing}


def test_tasks_are_named_as_the_ledger_names_steps(context: dict[str, Any]) -> None:
    assert tasks.step_name("nightly", "score_0") == "score demand"
    assert tasks.step_name("nightly", "export_0") == "export demand_forecast"
    assert tasks.step_name("ingest_orders", "ingest_2") == "ingest returns"
    assert tasks.step_name("nightly", "build") == "build"
    assert tasks.step_name("ingest_orders", "night_at_once") == "night_at_once"
