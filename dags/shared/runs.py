"""The night that a task belongs to: what its run was asked for, and who holds the home for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context, get_current_context
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.log import mask_secret

from dags.shared.defaults import TIMEZONE

if TYPE_CHECKING:
    from pipelines.settings import Settings


@dataclass(frozen=True)
class Night:
    """What a task's step is called with. `days` is the range to load; an open end is None."""

    settings: Settings
    as_of: date
    days: tuple[date | None, date | None]
    owner: str
    is_scheduled: bool
    params: dict[str, Any]

    def skip_unless_asked(self, param: str, name: str) -> None:
        """Skip the running task when the parameter, a list of names, leaves this one out."""
        if name not in self.params.get(param, [name]):
            raise AirflowSkipException(f"{name}: not asked for")


@contextmanager
def night() -> Iterator[Night]:
    """The night of the running task. Its secrets are masked in whatever Airflow writes of the task."""
    from pipelines.settings import Settings

    context = get_current_context()
    settings = Settings.load()
    for secret in settings.secrets():
        mask_secret(secret)
    run, params = context["dag_run"], dict(context["params"])
    asked = {name: date.fromisoformat(params[name]) for name in ("as_of", "first_day", "last_day") if params.get(name)}
    as_of = asked.get("as_of") or asked.get("last_day") or _business_day(context)
    is_range = "first_day" in asked or "last_day" in asked
    yield Night(
        settings=settings,
        as_of=as_of,
        days=(asked.get("first_day"), asked.get("last_day")) if is_range else (as_of, as_of),
        owner=f"airflow {run.dag_id} {run.run_id}",
        is_scheduled=not asked,
        params=params,
    )


def _business_day(context: Context) -> date:
    # The last day that was over when the interval ended; a run triggered without one ends when it is asked for.
    end = context.get("data_interval_end") or context["dag_run"].run_after
    return end.astimezone(TIMEZONE).date() - timedelta(days=1)
