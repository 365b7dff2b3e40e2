"""
# Training

Once a week: builds the feature snapshot of a business day and trains every model on what was known by then,
one mapped task a model. A challenger becomes champion only if it is better than champion and baselines on the newest
closed windows beyond noise; the night scores with the champion.

- **The data home** is owned by the run only while it builds; models read nothing but the snapshot, so that a
  night may start while they train. While a night is under way, `build` waits for it and names it.
- **One model** that fails stops no other; whoever is on call gets one message.
- **Another day**: trigger with `as_of`.
- Training again on the same snapshot gives the same models.
"""

from airflow.sdk import dag

from dags.shared import defaults, tasks
from models.questions import NAMES


@dag(
    schedule=defaults.every("0 12 * * 0"),
    start_date=defaults.START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=defaults.DEFAULT_ARGS,
    params=defaults.AS_OF | defaults.MODELS,
    tags=["nightshift", "training"],
    doc_md=__doc__,
)
def training() -> None:
    # Short, because it waits on the pool's only slot, which the night that holds the home may need to go on.
    build = tasks.build(lock_wait_seconds=30)
    trained = tasks.train.expand(model=list(NAMES))
    build >> [tasks.release(), trained]
    [build, trained] >> tasks.verdict()


training()
