"""
# Clickstream

Takes the day's drops of `events`
from `landing/` into `raw/`, one mapped task a feed. Rows that break their contract go to `quarantine/` with a
reason; too many of them fail the feed, and then nothing of it is loaded.

- **Off**: a feed that `sources.yml` does not map. The task says so and succeeds.
- **Late**: a day whose file has not come. A scheduled task tries again for eight hours, then fails with the
  feed's name; in a run with parameters it is only noted. `night_at_once` runs the newest night again with what came.
- **Bad data** stops the feed at once, and no other; whoever is on call gets one message.
- **Range**: trigger with `first_day` and `last_day`. With `last_day` alone the bulk history is loaded too.
- **Again**: loading the same bytes twice changes nothing, so any run may be repeated or cleared.
"""

from airflow.sdk import dag

from dags.shared import defaults, tasks
from pipelines.feeds import FEEDS

NAMES = [feed.name for feed in FEEDS.values() if feed.ingestion == "ingest_clickstream"]


@dag(
    schedule=defaults.every("0 1 * * *"),
    start_date=defaults.START_DATE,
    catchup=False,
    max_active_runs=4,
    default_args=defaults.DEFAULT_ARGS,
    params=defaults.DAYS | defaults.feeds(NAMES) | defaults.AT_ONCE | defaults.DRY_RUN,
    tags=["nightshift", "ingest"],
    doc_md=__doc__,
)
def ingest_clickstream() -> None:
    ingested = tasks.ingest_feeds("ingest_clickstream", NAMES)
    ingested >> [tasks.night_at_once(), tasks.verdict()]


ingest_clickstream()
