"""
# The night

For one business day: waits until its feeds are in, builds the warehouse and the feature snapshot, scores with
the champion models, writes the exports and publishes what analysts read.

- **Waiting** costs no worker: the first task is deferred until the ledger shows every daily feed of the day,
  and fails after eight hours with the names of those that did not come.
- **One night at a time**: from build to publish the run owns the data home. `release` gives it back, also
  after a failure; the command line obeys the same lock.
- **Bad data, a failing check or a wrong setting** fails at once, with the reason as the task's error.
  Anything else is tried twice more.
- **Another day**: trigger with `as_of`. **A range**: `airflow backfill create --dag-id nightly`, one run a
  day. A repeated day gives the same bytes.
"""

from datetime import timedelta

from airflow.sdk import chain, dag

from dags import support


@dag(
    schedule=support.every("0 2 * * *"),
    start_date=support.START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=support.DEFAULT_ARGS,
    params=support.AS_OF,
    tags=["nightshift", "night"],
    doc_md=__doc__,
)
def nightly() -> None:
    wait = support.FeedsLanded(task_id="wait", patience=timedelta(hours=8), inlets=list(support.RAW.values()))
    build = support.step("build", pool=support.WAREHOUSE_POOL, outlets=[support.SNAPSHOT])
    score = support.step("score", inlets=[support.SNAPSHOT], outlets=[support.PREDICTIONS])
    export = support.step(
        "export", pool=support.WAREHOUSE_POOL, inlets=[support.PREDICTIONS], outlets=[support.EXPORTS]
    )
    publish = support.step("publish", pool=support.WAREHOUSE_POOL)
    chain(wait, build, score, export, publish, support.release())


nightly()
