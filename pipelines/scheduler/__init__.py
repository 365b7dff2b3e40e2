"""Real Airflow on a data home, without a line of Airflow imported: its programs run as child processes."""

from pipelines.scheduler.supervisor import Airflow, serve

__all__ = ["Airflow", "serve"]
