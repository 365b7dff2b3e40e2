"""The tasks of the DAGs: one step of `pipelines` each, mapped where a feed, model or export stands by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Context, TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.shared.defaults import EXPORTED, EXPORTS, LOADED, PREDICTIONS, RAW, SNAPSHOT, WAREHOUSE_POOL, LateError
from dags.shared.runs import night
from models.questions import NAMES
from pipelines.feeds import FEEDS

log = logging.getLogger(__name__)

_EIGHT_HOURS_OF_HALF_HOURS = 16
_FIRST_ROWS = 1_000


def ingest_feeds(dag_id: str, feeds: Sequence[str]) -> Any:
    """Load each feed in a mapped task of its own; the asset of a feed is updated when something was loaded."""
    loaded = LOADED[dag_id]

    @task(retries=_EIGHT_HOURS_OF_HALF_HOURS, outlets=[loaded], map_index_template="{{ task.op_kwargs['feed'] }}")
    def ingest(feed: str, *, outlet_events: Mapping[Any, Any]) -> str:
        from pipelines import nights

        with night() as tonight:
            tonight.skip_unless_asked("feeds", feed)
            if tonight.params["dry_run"]:
                _check_mapping(tonight.settings, feed)
                raise AirflowSkipException("a dry run does no more")
            report = nights.load(tonight.settings, feed, tonight.as_of, tonight.days, tonight.owner)
        log.info("%s: %s, %s", feed, report.status, report.message)
        log.info(
            "rows in %d = loaded %d + duplicate %d + quarantined %d; left out %d",
            *(report.rows_in, report.rows_loaded, report.rows_duplicate, report.rows_quarantined, report.rows_excluded),
        )
        if report.status == "late" and tonight.is_scheduled:
            raise LateError(f"{feed}: {report.message}")
        if report.status == "loaded":
            outlet_events[loaded].add(RAW[feed])
        return report.status

    return ingest.expand(feed=list(feeds))


def _check_mapping(settings: Any, feed: str) -> None:
    from pipelines.cli_sources import check_lines
    from pipelines.source_check import check_sources

    for found in check_sources(settings, [feed], _FIRST_ROWS).feeds:
        for line in check_lines(found):
            log.info(line)


class NightAtOnce(TriggerDagRunOperator):
    """Runs the newest night again when the run was asked to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trigger_dag_id="nightly", **options)

    def execute(self, context: Context) -> None:
        from pipelines import nights

        if not context["params"]["night_at_once"]:
            raise AirflowSkipException("not asked for; the next night takes in what was loaded")
        with night() as tonight:
            newest = nights.newest_built_day(tonight.settings) or tonight.as_of
        self.conf = {"as_of": str(newest)}
        super().execute(context)


def night_at_once() -> NightAtOnce:
    return NightAtOnce(task_id="night_at_once", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)


@task(inlets=[SNAPSHOT], map_index_template="{{ task.op_kwargs['model'] }}")
def train(model: str) -> None:
    """Train one model; a challenger that passes the gate becomes champion."""
    from pipelines import nights

    with night() as tonight:
        tonight.skip_unless_asked("models", model)
        nights.train_model(tonight.settings, tonight.as_of, model, tonight.owner)


def step(name: str, *, lock_wait_seconds: float | None = None, **options: Any) -> Any:
    """`pipelines.nights.<name>` as a task. `lock_wait_seconds` overrides the setting of that name."""

    @task(task_id=name, **options)
    def run() -> Any:
        from pipelines import nights

        with night() as tonight:
            waiting = {} if lock_wait_seconds is None else {"lock_wait_seconds": lock_wait_seconds}
            settings = tonight.settings.model_copy(update=waiting)
            return getattr(nights, name)(settings, tonight.as_of, tonight.owner)

    return run()


def build(**options: Any) -> Any:
    """The warehouse and its snapshot; returns the snapshot's name."""
    return step("build", pool=WAREHOUSE_POOL, inlets=list(RAW.values()), outlets=[SNAPSHOT], **options)


@task(map_index_template="{{ task.op_kwargs['model'] }}", pool=WAREHOUSE_POOL, inlets=[SNAPSHOT], outlets=[PREDICTIONS])
def score(model: str) -> str:
    """Score one model; returns its name."""
    from pipelines import nights

    with night() as tonight:
        tonight.skip_unless_asked("models", model)
        if nights.score_model(tonight.settings, tonight.as_of, model, tonight.owner) is None:
            raise AirflowSkipException(f"{model}: off for want of feeds")
    return model


@task(pool=WAREHOUSE_POOL, trigger_rule=TriggerRule.ALL_DONE)
def tables(scored: Iterable[str], snapshot: str | None) -> dict[str, str]:
    """Build the export tables of the models that were scored; returns, by table, nothing or why it is not right."""
    from pipelines import night_exports

    models = list(scored)
    if snapshot is None:
        raise AirflowSkipException("the warehouse was not built, so there is nothing to export")
    with night() as tonight:
        if night_exports.lacks_every_model(tonight.settings, tonight.as_of, models):
            raise AirflowSkipException("no model was scored, so there is nothing to export")
        return night_exports.tables_by_fate(tonight.settings, tonight.as_of, tonight.owner, models)


@task(
    map_index_template="{{ task.op_kwargs['table'] }}",
    pool=WAREHOUSE_POOL,
    inlets=[PREDICTIONS],
    outlets=[EXPORTED],
    trigger_rule=TriggerRule.ALL_DONE,
)
def export(table: str, built: Mapping[str, str] | None) -> str:
    """Deliver one table; returns its name."""
    from pipelines import night_exports

    if not built:
        raise AirflowSkipException(f"{table}: left out, no table was built")
    if table not in built:
        raise AirflowSkipException(f"{table}: left out, {EXPORTS[table]} was not scored")
    if built[table]:
        raise AirflowFailException(built[table])
    with night() as tonight:
        night_exports.deliver(tonight.settings, tonight.as_of, tonight.owner, table)
    return table


@task(pool=WAREHOUSE_POOL, trigger_rule=TriggerRule.ALL_DONE)
def publish(delivered: Iterable[str], built: Mapping[str, str] | None) -> None:
    """Publish with the exports that were delivered, and none of the others."""
    from pipelines import night_exports, nights

    if built is None:
        raise AirflowSkipException("no export is right, so what is published stays")
    with night() as tonight:
        try:
            without = night_exports.left_out(tonight.settings, tonight.as_of, set(delivered), built)
        except night_exports.NoneRightError as error:
            raise AirflowSkipException(str(error)) from None
        nights.publish(tonight.settings, tonight.as_of, tonight.owner, without=without)


def release() -> Any:
    """A teardown that gives the data home back, however the steps before it ended."""

    @task(task_id="release")
    def run() -> None:
        from pipelines import nights

        with night() as tonight:
            nights.release(tonight.settings, tonight.owner)

    return run().as_teardown()


@task(trigger_rule=TriggerRule.ALL_DONE)
def verdict(late: Sequence[str] | None = None, built: Mapping[str, str] | None = None) -> None:
    """Say once what became of the run, to the ledger and to who is on call; fails when a part of the run did."""
    from pipelines import verdicts

    context = get_current_context()
    run, ti = context["dag_run"], context["ti"]
    states = ti.get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
    with night() as tonight:
        where = verdicts.Run(run.dag_id, run.run_id, tonight.as_of, tonight.owner)
        named = {step_name(run.dag_id, task_id): state for task_id, state in states.items()}
        # Tables beside the exports have no task of their own.
        named |= {f"table {name}": "failed" for name, why in (built or {}).items() if why and name not in EXPORTS}
        found = verdicts.close(tonight.settings, where, named, late or (), log.info)
    if found.troubles:
        raise AirflowFailException(found.headline)


def step_name(dag_id: str, task_id: str) -> str:
    """`score_0` -> `score demand`: the ledger's name of a step, for Airflow's of a task and its place in the map."""
    step, _, index = task_id.rpartition("_")
    if not index.isdigit():
        return task_id
    mapped = {
        "score": NAMES,
        "train": NAMES,
        "export": tuple(EXPORTS),
        "ingest": tuple(feed.name for feed in FEEDS.values() if feed.ingestion == dag_id),
    }
    return f"{step} {mapped[step][int(index)]}"
