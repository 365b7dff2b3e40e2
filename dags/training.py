"""
# Training

Once a week: builds the feature snapshot of a business day and trains every model on what was known by then,
one mapped task a model. A challenger becomes champion only if it is better than champion and baselines on the newest
closed windows beyond noise; the night scores with the champion.

- **The data home** is owned by the run only while it builds; models read nothing but the snapshot, so that a
  night may start while they train. If a night is under way, `build` fails and names it: clear it afterwards.
- **Another day**: trigger with `as_of`.
- Training again on the same snapshot gives the same models.
"""

from airflow.sdk import dag, task

from dags import support
from models.questions import NAMES


@dag(
    schedule=support.every("0 12 * * 0"),
    start_date=support.START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=support.DEFAULT_ARGS,
    params=support.AS_OF,
    tags=["nightshift", "training"],
    doc_md=__doc__,
)
def training() -> None:
    @task(inlets=[support.SNAPSHOT], map_index_template="{{ task.op_kwargs['model'] }}")
    def train(model: str) -> None:
        from pipelines import nights

        with support.night() as tonight:
            nights.train(tonight.settings, tonight.as_of, [model])

    # Short, because it waits on the pool's only slot, which the night that holds the home may need to go on.
    build = support.step("build", lock_wait_seconds=30, pool=support.WAREHOUSE_POOL, outlets=[support.SNAPSHOT])
    build >> [support.release(), train.expand(model=list(NAMES))]


training()
