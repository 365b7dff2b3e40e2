"""
# The night

For one business day: waits until its feeds are in, builds the warehouse and the feature snapshot, scores with
the champion models, writes the exports and publishes what analysts read.

- **Waiting** costs no worker: the first task is deferred until the ledger shows every daily feed of the day. When
  patience ends (`wait_hours`), the night goes on without the late ones; its exports say `partial` and name them.
- **Each model and each export** is a task of its own. One that fails stops no other; what depends on it is left out
  by name, and what is published has the exports that are right and none of the others. Then `verdict` fails, and
  whoever is on call gets one message.
- **A database or store that receives exports and is away** holds up nothing: files and warehouse are published, then
  `publish` tries it again for forty minutes and fails by its name; the message says what it has not got. The next night
  brings it up to date, so does `nightshift replay`.
- **One night at a time**: from build to publish the run owns the data home. `release` gives it back, also
  after a failure; the command line obeys the same lock.
- **Bad data, a failing check or a wrong setting** fails at once, with the reason as the task's error. A network or a
  lock is tried again for forty minutes, what nobody foresaw twice.
- **After mending**: clear the failed task with what follows it, or `nightshift run --as-of`. A repeated day gives the
  same bytes.
- **Another day**: trigger with `as_of`. **A range**: `airflow backfill create --dag-id nightly`, one run a day.
"""

from airflow.sdk import chain, dag

from dags.shared import defaults, tasks, waiting
from models.questions import NAMES


@dag(
    schedule=defaults.every("0 2 * * *"),
    start_date=defaults.START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=defaults.DEFAULT_ARGS,
    params=defaults.AS_OF | defaults.MODELS | defaults.WAIT | defaults.DRY_RUN,
    tags=["nightshift", "night"],
    doc_md=__doc__,
)
def nightly() -> None:
    wait = waiting.FeedsLanded(task_id="wait", execution_timeout=None)
    build = tasks.build()
    scored = tasks.score.expand(model=list(NAMES))
    built = tasks.tables(scored, build)
    delivered = tasks.export.partial(built=built).expand(table=list(defaults.EXPORTS))
    published = tasks.publish(delivered, built)
    chain(wait, build, scored)
    chain(build, published, tasks.release())
    [wait, build, scored, built, delivered, published] >> tasks.verdict(wait.output, built)


nightly()
