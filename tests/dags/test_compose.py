"""docker-compose.yml: valid, private, pinned, and running what the supervisor runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.scheduler import supervisor

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SECRETS = ("POSTGRES_PASSWORD", "AIRFLOW_PASSWORD", "AIRFLOW_SECRET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_FERNET_KEY")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_it_follows_the_compose_specification() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    command = [check, "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_images_are_pinned_and_ports_are_on_loopback(services: dict[str, Any]) -> None:
    base = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM "))
    for image in [service["image"] for service in services.values()] + [base]:
        assert any(digit.isdigit() for digit in image.partition(":")[2])
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_no_secret_has_a_default() -> None:
    text = COMPOSE.read_text()
    for name in SECRETS:
        assert text.count(f"${{{name}:?") == text.count(f"${{{name}") > 0


def test_airflow_runs_the_supervisors_commands(services: dict[str, Any]) -> None:
    for name, arguments in supervisor._COMMANDS.items():
        assert services[name]["command"] == ["python", "-m", "airflow", *arguments]
        assert "healthcheck" in services[name]


def test_the_pool_has_the_supervisors_name(services: dict[str, Any]) -> None:
    assert f"airflow pools set {supervisor.WAREHOUSE_POOL} 1 " in services["init"]["command"][-1]
