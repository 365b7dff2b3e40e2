"""docker-compose.yml: valid, private, pinned, and running what the supervisor runs; its secrets and databases."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from ops_database import running_server

from pipelines import stack
from pipelines.errors import UsageError
from pipelines.scheduler import supervisor
from pipelines.scheduler.configuration import PARALLEL_TASKS
from pipelines.settings import CONNECTION, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_it_follows_the_compose_specification() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    command = [check, "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_images_are_pinned_and_ports_are_on_loopback_unless_told(services: dict[str, Any]) -> None:
    base = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM "))
    for image in [service["image"] for service in services.values()] + [base]:
        assert any(digit.isdigit() for digit in image.partition(":")[2])
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for port in ports)


def test_the_image_holds_what_the_lock_names_and_nothing_besides() -> None:
    installs = re.findall(r"uv pip install (.*)", (ROOT / "Dockerfile").read_text().replace("\\\n", " "))
    assert [line.split("requirements.lock")[1].strip() for line in installs] == ["--editable ."]


def test_airflow_and_mlflow_run_the_supervisors_commands(services: dict[str, Any]) -> None:
    for name, arguments in supervisor.COMMANDS.items():
        assert services[name]["command"] == ["python", "-m", *arguments]
        assert "healthcheck" in services[name]


def test_what_the_supervisor_decides_holds_there_too(services: dict[str, Any], tmp_path: Path) -> None:
    assert f"airflow pools set {supervisor.WAREHOUSE_POOL} 1 " in services["init"]["command"][-1]
    assert services["scheduler"]["environment"]["AIRFLOW__CORE__PARALLELISM"] == str(PARALLEL_TASKS)
    read = supervisor.mlflow_environment(Settings.load(home=tmp_path), 5000)
    assert read.keys() <= services["mlflow"]["environment"].keys()


def test_no_secret_has_a_default_and_all_of_them_are_in_the_env(tmp_path: Path) -> None:
    wanted = re.findall(r"\$\{(\w+)(:\?|:-)?", COMPOSE.read_text())
    names = set(stack.write_env(tmp_path / ".env", "Europe/London"))
    assert {(name, rule) for name, rule in wanted} == {(name, ":?") for name in names} | {
        ("BIND_ADDRESS", ":-"),
        ("EXPORT_CONNECTION", ":-"),
    }


def test_the_env_is_private_random_and_never_replaced(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    for file in files:
        stack.write_env(file, "Europe/London")
    one, two = (dict(line.split("=", 1) for line in file.read_text().splitlines()) for file in files)
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    assert {name for name in one if one[name] == two[name]} == {"STORE_TIMEZONE"}
    secrets = [value for name, value in one.items() if name != "STORE_TIMEZONE"]
    assert len(set(secrets)) == len(secrets)
    assert min(map(len, secrets)) >= 40
    assert len(base64.urlsafe_b64decode(one["AIRFLOW_FERNET_KEY"])) == 32
    with pytest.raises(UsageError, match="is there already"):
        stack.write_env(files[0], "Europe/London")
    with pytest.raises(UsageError, match="no timezone"):
        stack.write_env(tmp_path / "three", "Atlantis/North")
    assert not (tmp_path / "three").exists()


def test_every_setting_reaches_what_runs_nights_or_is_decided_here(
    services: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "nightshift.env"
    assert stack.write_settings(file)
    told = dict(re.findall(r"^#(\w+)=(.*)$", file.read_text(), re.MULTILINE))
    read = {name for name, service in services.items() if service.get("env_file")}
    assert read == {"scheduler", "triggerer"}, "tasks are the scheduler's, the wait for feeds the triggerer's"
    decided = {name for name in services["scheduler"]["environment"] if name.startswith("NIGHTSHIFT_")}
    assert decided.isdisjoint(told)
    wanted = {f"NIGHTSHIFT_{name.upper()}" for name in Settings.model_fields}
    # The home is the image's.
    assert wanted - told.keys() - decided == {"NIGHTSHIFT_HOME"}
    before = Settings.load(home=tmp_path)
    for name, default in told.items():
        if default and "://" not in default:
            monkeypatch.setenv(name, default)
    assert Settings.load(home=tmp_path) == before, "what stands there commented out are the defaults"


def test_settings_are_private_never_replaced_and_stay_out_of_image_and_repository(tmp_path: Path) -> None:
    file = tmp_path / "nightshift.env"
    assert stack.write_settings(file)
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("NIGHTSHIFT_EXPORT_CSV=true\n")
    assert not stack.write_settings(file)
    assert file.read_text() == "NIGHTSHIFT_EXPORT_CSV=true\n"
    for ignored in (".dockerignore", ".gitignore"):
        names = {line.strip("/") for line in (ROOT / ignored).read_text().splitlines()}
        assert {".env", "nightshift.env"} <= names


def test_another_start_keeps_the_passwords_of_other_users(services: dict[str, Any], tmp_path: Path) -> None:
    script = re.search(r"^python - <<'END'\n.*?^END$", services["init"]["command"][-1], re.DOTALL | re.MULTILINE)
    assert script is not None
    file = tmp_path / "login.json"
    command = script[0].replace("/data/airflow", str(tmp_path))
    for password in ("first", "second"):
        environment = {"AIRFLOW_PASSWORD": password, "PATH": str(Path(sys.executable).parent)}
        subprocess.run(["/bin/bash", "-euc", f"umask 077\n{command}"], env=environment, check=True)
        known = json.loads(file.read_text())
        assert known == {"admin": password} | ({"otto": "his own"} if password == "second" else {})
        file.write_text(json.dumps(known | {"otto": "his own"}))
    assert file.stat().st_mode & 0o777 == 0o600


def test_each_database_has_a_user_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_server() as server:
        where = server.partition("?")[2]
        monkeypatch.setenv(f"{CONNECTION}POSTGRES", server)
        for name in ("airflow", "ops"):
            monkeypatch.setenv(f"{CONNECTION}{name.upper()}", f"postgresql://{name}:it's-{name}@/{name}?{where}")
        named = {"airflow_connection": "airflow", "export_connection": "ops"}
        settings = Settings.load(home=tmp_path).model_copy(update=named)
        for _ in range(2):
            stack.make_databases(settings, lambda _: None)
        for name in ("airflow", "ops"):
            with psycopg.connect(f"postgresql://{name}@/{name}?{where}") as connection:
                connection.execute("create table mine (row int)")
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(f"postgresql://ops@/airflow?{where}")
        with psycopg.connect(server) as connection:
            hashes = connection.execute(
                "select rolpassword from pg_authid where rolname in ('airflow', 'ops')"
            ).fetchall()
        assert all(text.startswith("SCRAM-SHA-256$") for (text,) in hashes)
