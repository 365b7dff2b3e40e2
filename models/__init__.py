"""The pure core: frames in, results out. Nothing here knows of Airflow, DuckDB, dbt, MLflow or the environment."""
