"""The shell of Nightshift: every side effect (files, DuckDB, dbt, MLflow, the command line) happens here."""
