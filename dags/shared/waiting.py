"""The wait for a night's feeds, which takes no worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from dags.shared.runs import Night, night

log = logging.getLogger(__name__)


class FeedsLanded(BaseOperator):
    """Succeeds once the ledger shows every daily feed of the run's day, or when patience has ended; returns the late.

    Fails when none of them has come by then.
    """

    def execute(self, context: Context) -> list[str]:
        with night() as tonight:
            if tonight.params["dry_run"]:
                _tell_plan(tonight)
                raise AirflowSkipException("a dry run does no more")
            missing = _missing_feeds(tonight.as_of)
            patience = timedelta(hours=tonight.params["wait_hours"])
            if missing and patience:
                log.info("%s: waiting up to %s for %s", tonight.as_of, patience, ", ".join(missing))
                deadline = datetime.now(UTC) + patience
                self.defer(trigger=FeedsTrigger(str(tonight.as_of), deadline.isoformat()), method_name="resume")
        return self.resume(context, {})

    def resume(self, context: Context, event: dict[str, Any]) -> list[str]:
        from pipelines import night_plan

        with night() as tonight:
            late = night_plan.late_feeds(tonight.settings, tonight.as_of, tonight.owner, log.info)
            log.info("%s: %s", tonight.as_of, f"goes on without {', '.join(late)}" if late else "every feed is in")
            return late


class FeedsTrigger(BaseTrigger):
    """Looks into the ledger until no feed of `as_of` is missing, or until `deadline` (ISO 8601)."""

    def __init__(self, as_of: str, deadline: str, poll_seconds: float = 30) -> None:
        super().__init__()
        self.as_of = as_of
        self.deadline = deadline
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"as_of": self.as_of, "deadline": self.deadline, "poll_seconds": self.poll_seconds}
        return "dags.shared.waiting.FeedsTrigger", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        deadline = datetime.fromisoformat(self.deadline)
        while True:
            missing = await asyncio.to_thread(_missing_feeds, date.fromisoformat(self.as_of))
            if not missing or datetime.now(UTC) >= deadline:
                break
            await asyncio.sleep(self.poll_seconds)
        yield TriggerEvent({"missing": missing})


def _missing_feeds(as_of: date) -> list[str]:
    from pipelines import nights
    from pipelines.settings import Settings

    return nights.missing_feeds(Settings.load(), as_of)


def _tell_plan(tonight: Night) -> None:
    from pipelines import night_plan

    for line in night_plan.lines(tonight.settings, tonight.as_of, tonight.params["models"]):
        log.info(line)
