"""What the DAGs share: defaults, parameters, assets, a task's night and its steps, and the wait for feeds.

Of our own code only the feed contracts are imported before a task runs, so that parsing stays light.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import (
    Asset,
    BaseOperator,
    Context,
    CronDataIntervalTimetable,
    Param,
    conf,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from pipelines.feeds import FEEDS

if TYPE_CHECKING:
    from pipelines.settings import Settings

log = logging.getLogger(__name__)

# A DAG file may not read sources.yml, so the store's timezone comes as Airflow's own default timezone.
TIMEZONE = pendulum.timezone(conf.get_mandatory_value("core", "default_timezone"))
START_DATE = datetime(2024, 1, 1, tzinfo=TIMEZONE)
DEFAULT_ARGS = {
    "owner": "data-platform",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
}
WAREHOUSE_POOL = "warehouse"

RAW = {feed: Asset(name=f"raw_{feed}", uri=f"x-nightshift://raw/{feed}") for feed in FEEDS}
SNAPSHOT = Asset(name="snapshot", uri="x-nightshift://snapshots")
PREDICTIONS = Asset(name="predictions", uri="x-nightshift://predictions")
EXPORTS = Asset(name="exports", uri="x-nightshift://exports")


def every(cron: str) -> CronDataIntervalTimetable:
    """A run for each interval of `cron` in the store's timezone; its logical date is the interval's start."""
    return CronDataIntervalTimetable(cron, timezone=TIMEZONE)


def day_param(description: str) -> Param:
    """A business day, YYYY-MM-DD, or nothing; anything else is refused before a run exists."""
    return Param(None, type=["null", "string"], format="date", pattern=r"^\d{4}-\d{2}-\d{2}$", description=description)


AS_OF = {"as_of": day_param("The business day; empty: the last full day of the run's data interval")}
DAYS = AS_OF | {
    "first_day": day_param("First day of a range; empty beside last_day: from the beginning, with bulk history"),
    "last_day": day_param("Last day of a range; empty beside first_day: up to the newest drop"),
}


@dataclass(frozen=True)
class Night:
    """What a task's step is called with. `days` is the range to load; an open end is None."""

    settings: Settings
    as_of: date
    days: tuple[date | None, date | None]
    owner: str
    is_scheduled: bool


@contextmanager
def night() -> Iterator[Night]:
    """The night that the running task belongs to.

    A `NightshiftError` inside fails the task without retry: data, a check or a setting is at fault, and the
    next attempt would only say it again. A home that another night holds is worth another attempt.
    """
    from pipelines.errors import HomeBusyError, NightshiftError
    from pipelines.settings import Settings

    context = get_current_context()
    run = context["dag_run"]
    asked = {name: date.fromisoformat(day) for name, day in context["params"].items() if day}
    as_of = asked.get("as_of") or _business_day(context)
    is_range = "first_day" in asked or "last_day" in asked
    try:
        yield Night(
            settings=Settings.load(),
            as_of=as_of,
            days=(asked.get("first_day"), asked.get("last_day")) if is_range else (as_of, as_of),
            owner=f"airflow {run.dag_id} {run.run_id}",
            is_scheduled=not asked,
        )
    except HomeBusyError:
        raise
    except NightshiftError as error:
        raise AirflowFailException(str(error)) from error


def _business_day(context: Context) -> date:
    # The last day that was over when the interval ended; a run triggered without one ends when it is asked for.
    end = context.get("data_interval_end") or context["dag_run"].run_after
    return end.astimezone(TIMEZONE).date() - timedelta(days=1)


def ingest_feeds(feeds: Sequence[str]) -> None:
    """Load each feed in a mapped task of its own; when all are in, their assets are updated."""

    # A late file is worth hours of patience, unlike the faults that the default retries are for.
    @task(
        retries=12,
        retry_delay=timedelta(minutes=30),
        retry_exponential_backoff=False,
        map_index_template="{{ task.op_kwargs['feed'] }}",
    )
    def ingest(feed: str) -> str:
        from pipelines import nights

        with night() as tonight:
            (report,) = nights.ingest(tonight.settings, [feed], *tonight.days)
        log.info("%s: %s", report.status, report.message)
        if report.status == "late" and tonight.is_scheduled:
            raise AirflowException(report.message)
        return report.status

    @task(outlets=[RAW[feed] for feed in feeds])
    def landed(statuses: Sequence[str]) -> None:
        log.info(", ".join(f"{feed} {status}" for feed, status in zip(feeds, statuses, strict=True)))

    landed(ingest.expand(feed=list(feeds)))


def step(name: str, *, lock_wait_seconds: float | None = None, **options: Any) -> Any:
    """`pipelines.nights.<name>` as a task. `lock_wait_seconds` overrides the setting of that name."""

    @task(task_id=name, **options)
    def run() -> None:
        from pipelines import nights

        with night() as tonight:
            waiting = {} if lock_wait_seconds is None else {"lock_wait_seconds": lock_wait_seconds}
            settings = tonight.settings.model_copy(update=waiting)
            getattr(nights, name)(settings, tonight.as_of, tonight.owner)

    return run()


def release() -> Any:
    """A teardown that gives the data home back, however the steps before it ended."""

    @task(task_id="release")
    def run() -> None:
        from pipelines import nights

        with night() as tonight:
            nights.release(tonight.settings, tonight.owner)

    return run().as_teardown()


class FeedsLanded(BaseOperator):
    """Succeeds once the ledger shows every daily feed of the run's day; waiting takes no worker.

    :param patience: how long to wait before failing with the names of the missing feeds.
    """

    def __init__(self, *, patience: timedelta, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience = patience

    def execute(self, context: Context) -> None:
        with night() as tonight:
            missing = _missing_feeds(tonight.as_of)
        if missing:
            log.info("%s: waiting for %s", tonight.as_of, ", ".join(missing))
            deadline = datetime.now(UTC) + self.patience
            self.defer(trigger=FeedsTrigger(str(tonight.as_of), deadline.isoformat()), method_name="resume")
        log.info("%s: every feed is in", tonight.as_of)

    def resume(self, context: Context, event: dict[str, Any]) -> None:
        if event["missing"]:
            raise AirflowFailException(
                f"{event['as_of']}: not delivered after {self.patience}: {', '.join(event['missing'])}; "
                "ingest them, then clear this task"
            )
        log.info("%s: every feed is in", event["as_of"])


class FeedsTrigger(BaseTrigger):
    """Looks into the ledger until no feed of `as_of` is missing, or until `deadline` (ISO 8601)."""

    def __init__(self, as_of: str, deadline: str, poll_seconds: float = 30) -> None:
        super().__init__()
        self.as_of = as_of
        self.deadline = deadline
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"as_of": self.as_of, "deadline": self.deadline, "poll_seconds": self.poll_seconds}
        return "dags.support.FeedsTrigger", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        deadline = datetime.fromisoformat(self.deadline)
        while True:
            missing = await asyncio.to_thread(_missing_feeds, date.fromisoformat(self.as_of))
            if not missing or datetime.now(UTC) >= deadline:
                break
            await asyncio.sleep(self.poll_seconds)
        yield TriggerEvent({"as_of": self.as_of, "missing": missing})


def _missing_feeds(as_of: date) -> list[str]:
    from pipelines import nights
    from pipelines.settings import Settings

    return nights.missing_feeds(Settings.load(), as_of)
