# Everything a newcomer needs; `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# Every step is a Python of its own: let it find what the one before compiled, whatever the machine's habit.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
NIGHTSHIFT_HOME ?= var
export NIGHTSHIFT_HOME

.PHONY: help setup setup-dev run up check test campaigns contracts lock clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/uv: 
	python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

.venv/pipeline: .venv/uv pyproject.toml requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraints requirements.lock --editable .
	@touch $@

.venv/dev: .venv/pipeline
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraints requirements.lock --group test --group examples
	@touch $@

setup: .venv/pipeline ## install what the pipeline needs into .venv

setup-dev: .venv/dev ## install what tests and examples need as well

run: .venv/pipeline ## a simulated store through whole nights, by the DAGs under a real Airflow
	$(BIN)/nightshift demo

up: .venv/pipeline ## start the Airflow and MLflow pages on this machine
	$(BIN)/nightshift up

check: .venv/dev ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# By file, so that what a file's tests share is made once.
test: check ## check, then every test in its short form
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.venv/benchmark: .venv/dev
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraints requirements.lock --group benchmark
	@touch $@

campaigns: .venv/benchmark ## the long forms: fuzz, kills, many seeds, benchmarks; interrupted, it goes on where it was
	$(BIN)/pytest --campaigns --resume --verbose --durations 0

contracts: .venv/pipeline ## record the contracts of the exports in docs/contracts; a breaking change is refused
	$(BIN)/python -m pipelines.recorded_contracts

lock: .venv/uv ## resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --group test --group examples --group benchmark --upgrade --quiet \
	  --no-emit-index-url --no-annotate --no-header --generate-hashes --output-file requirements.lock

clean: ## remove what was built here; the data home stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache dbt_project/target dbt_project/logs
