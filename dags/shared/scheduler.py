"""Airflow's scheduler with what the tasks import already there: LocalExecutor forks its workers from it.

`python -m dags.shared.scheduler` takes the options of `airflow scheduler`. Without it each task of a night would
spend seconds on importing the same libraries.
"""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    """Import, then be the scheduler."""
    from models.questions import NAMES

    for module in ("pipelines.nights", "pipelines.night_plan", "pipelines.verdicts", "great_expectations"):
        import_module(module)
    for name in NAMES:
        import_module(f"models.{name}.question")
    from airflow.__main__ import main as airflow

    sys.argv[1:1] = ["scheduler"]
    airflow()


if __name__ == "__main__":
    main()
