"""Schedules, parameters with their forms, assets, and how often a fault is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pendulum
from airflow.sdk import (
    Asset,
    AssetAlias,
    Context,
    CronDataIntervalTimetable,
    Param,
    RetryAction,
    RetryDecision,
    RetryPolicy,
    conf,
)

from models.questions import NAMES, description
from pipelines.errors import NightshiftError, UnavailableError
from pipelines.feeds import FEEDS, INGESTIONS

# A DAG file may not read sources.yml, so the store's timezone comes as Airflow's own default timezone.
TIMEZONE = pendulum.timezone(conf.get_mandatory_value("core", "default_timezone"))
START_DATE = datetime(2024, 1, 1, tzinfo=TIMEZONE)
WAREHOUSE_POOL = "warehouse"
EXPORTS = {export.name: model for model in NAMES for export in description(model).exports}

RAW = {feed: Asset(name=f"raw_{feed}", uri=f"x-nightshift://raw/{feed}") for feed in FEEDS}
# What one run of an ingestion has really loaded; Airflow finds the feeds' assets behind it.
LOADED = {dag_id: AssetAlias(name=dag_id.replace("ingest", "loaded")) for dag_id in INGESTIONS}
SNAPSHOT = Asset(name="snapshot", uri="x-nightshift://snapshots")
PREDICTIONS = Asset(name="predictions", uri="x-nightshift://predictions")
EXPORTED = Asset(name="exports", uri="x-nightshift://exports")


class LateError(NightshiftError):
    """What a task is to load has not been delivered yet."""


class FittingRetries(RetryPolicy):
    """What may pass by itself is tried again, with more patience each time; what is wrong with the data never is.

    A fault that nobody foresaw is tried twice more.
    """

    first_wait, longest_wait, until_delivery = timedelta(seconds=20), timedelta(minutes=10), timedelta(minutes=30)
    surprises = 2

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        wait = min(self.first_wait * 2 ** min(try_number - 1, 10), self.longest_wait)
        if isinstance(exception, LateError):
            return RetryDecision.retry(self.until_delivery, "not delivered yet")
        if isinstance(exception, UnavailableError):
            return RetryDecision.retry(wait, "it may be there a little later")
        if isinstance(exception, NightshiftError):
            return RetryDecision.fail("the next attempt would only say it again")
        if try_number <= self.surprises:
            return RetryDecision.retry(wait, "nobody foresaw it")
        return RetryDecision(action=RetryAction.FAIL, reason="it does not pass")

    def serialize(self) -> dict[str, Any]:
        return {}


DEFAULT_ARGS: dict[str, Any] = {
    "owner": "data-platform",
    # The patience of the policy: with these waits, forty minutes.
    "retries": 8,
    "retry_policy": FittingRetries(),
    # For a process that was killed, which no policy hears of.
    "retry_delay": FittingRetries.first_wait,
    "retry_exponential_backoff": True,
    "max_retry_delay": FittingRetries.longest_wait,
    "execution_timeout": timedelta(hours=6),
}


def every(cron: str) -> CronDataIntervalTimetable:
    """A run for each interval of `cron` in the store's timezone; its logical date is the interval's start."""
    return CronDataIntervalTimetable(cron, timezone=TIMEZONE)


def day_param(title: str, description: str) -> Param:
    """A business day, YYYY-MM-DD, or nothing; anything else is refused before a run exists."""
    return Param(
        None,
        type=["null", "string"],
        format="date",
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        title=title,
        description=description,
    )


def some_param(names: Sequence[str], title: str, description: str) -> Param:
    """Some of these names, all by default."""
    return Param(
        list(names),
        type="array",
        items={"type": "string", "enum": list(names)},
        examples=list(names),
        uniqueItems=True,
        minItems=1,
        title=title,
        description=description,
    )


AS_OF = {"as_of": day_param("Business day", "Empty: the last full day of the run's data interval.")}
MODELS = {"models": some_param(NAMES, "Models", "What depends on a model left out is left out by name.")}
DRY_RUN = {
    "dry_run": Param(False, type="boolean", title="Dry run", description="Say what it would do, and do nothing.")
}
WAIT = {
    "wait_hours": Param(
        8,
        type="number",
        minimum=0,
        maximum=48,
        title="Patience in hours",
        description="How long to wait for feeds that have not come; then the night goes on without them, and says so.",
    )
}
DAYS = AS_OF | {
    "first_day": day_param("First day of a range", "Empty beside a last day: from the beginning, with bulk history."),
    "last_day": day_param("Last day of a range", "Empty beside a first day: up to the newest drop."),
}


def feeds(names: Sequence[str]) -> dict[str, Param]:
    """Which of an ingestion's feeds to load."""
    return {"feeds": some_param(names, "Feeds", "The others are skipped.")}


AT_ONCE = {
    "night_at_once": Param(
        False,
        type="boolean",
        title="Night at once",
        description="Then run the newest night again, with what came late; otherwise the next night takes it in.",
    )
}
