"""The main job, start to end: a simulated store through its nights, by the DAGs under a real Airflow."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipelines import simulate, status
from pipelines.feeds import INGESTIONS
from pipelines.home import Home
from pipelines.scheduler import Airflow
from pipelines.settings import Settings
from pipelines.simulate.arguments import Arguments

Log = Callable[[str], None]


def run_demo(settings: Settings, scale: float, days: int, seed: int, log: Log) -> str:
    """Simulate, ingest, train, and run the last night; returns what was made and how to look further."""
    began = time.monotonic()
    home = Home.create(settings.home)
    log(f"simulating a store of {days} days in {settings.landing_folder}")
    store = simulate.simulate(settings.landing_folder, home.root / "truth", Arguments(scale, days, seed), log)
    if not settings.sources_file.exists():
        settings.sources_file.write_text(simulate.sources_yml())
    first, last = str(store.first_day), str(store.last_day)
    log("starting Airflow (its own logs go to files)")
    # On a server's database its scheduler would run these tasks, on its own home.
    with Airflow(settings.model_copy(update={"airflow_connection": None}), log) as airflow:
        airflow.run([(dag_id, {"first_day": first, "last_day": last}) for dag_id in INGESTIONS])
        airflow.run([("training", {"as_of": last})])
        airflow.run([("nightly", {"as_of": last})])
    return "\n".join(
        [
            f"done in {time.monotonic() - began:.0f} s",
            status.summary(settings),
            "look further:",
            f'  .venv/bin/nightshift sql --home {settings.home} "from marts.mart_sales_daily"',
            f"  {home.published}/dbt_docs/index.html",
            f"  .venv/bin/mlflow ui --host 127.0.0.1 --backend-store-uri {settings.mlflow_shown}",
            "  make up   (the Airflow and MLflow pages)",
        ]
    )
