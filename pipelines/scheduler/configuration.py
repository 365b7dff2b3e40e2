"""airflow.cfg and the password file of a home's own Airflow."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.home import write_atomically

USER = "admin"
DAGS_FOLDER = Path(__file__).resolve().parents[2] / "dags"
PARALLEL_TASKS = 3

# Kept from the first start on: a new fernet key would make stored connections unreadable.
_SECRETS: dict[tuple[str, str], Callable[[], str]] = {
    ("core", "fernet_key"): lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    ("api", "secret_key"): lambda: secrets.token_urlsafe(32),
    ("api_auth", "jwt_secret"): lambda: secrets.token_urlsafe(48),
}


@dataclass(frozen=True)
class Configuration:
    """The folder `airflow/` of a home and the address its api-server gets.

    `database_uri` is that of the metadata, where they are not a file of the folder; it goes into the environment alone.
    """

    folder: Path
    port: int
    database_uri: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config_file(self) -> Path:
        return self.folder / "airflow.cfg"

    @property
    def login_file(self) -> Path:
        return self.folder / "login.json"

    @property
    def database(self) -> Path:
        return self.folder / "airflow.db"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def password(self) -> str:
        return str(json.loads(self.login_file.read_text())[USER])

    @property
    def environment(self) -> dict[str, str]:
        names = ("SQL_ALCHEMY_CONN", "SQL_ALCHEMY_CONN_ASYNC") if self.database_uri else ()
        return {
            **{f"AIRFLOW__DATABASE__{name}": str(self.database_uri) for name in names},
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW_CONFIG": str(self.config_file),
            # Tasks reach the api-server on loopback; a proxy for the world must not get in between.
            "no_proxy": "127.0.0.1,localhost",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "DO_NOT_TRACK": "1",
        }

    def write(self, timezone: str, is_scheduling: bool) -> None:
        """Write both files, mode 0600. Without a password file Airflow would print one to its log."""
        self.logs.mkdir(parents=True, exist_ok=True)
        config = ConfigParser(interpolation=None)
        config.read_dict(self._options(timezone, is_scheduling))
        known = ConfigParser(interpolation=None)
        known.read(self.config_file)
        for (section, name), make in _SECRETS.items():
            config[section][name] = known.get(section, name, fallback="") or make()
        lines = []
        for section in config.sections():
            lines += [f"[{section}]", *(f"{name} = {value}" for name, value in config.items(section)), ""]
        write_atomically(self.config_file, "\n".join(lines).encode())
        if not self.login_file.exists():
            write_atomically(self.login_file, json.dumps({USER: secrets.token_urlsafe(15)}).encode())
        for file in (self.config_file, self.login_file):
            file.chmod(0o600)

    def _options(self, timezone: str, is_scheduling: bool) -> dict[str, dict[str, str]]:
        # Airflow interpolates its file, hence the doubled percent signs.
        folder, logs, dags = (str(path).replace("%", "%%") for path in (self.folder, self.logs, DAGS_FOLDER))
        return {
            "core": {
                "dags_folder": dags,
                "executor": "LocalExecutor",
                "parallelism": str(PARALLEL_TASKS),
                "load_examples": "False",
                "default_timezone": timezone,
                "simple_auth_manager_users": f"{USER}:admin",
                "simple_auth_manager_passwords_file": f"{folder}/login.json",
                "execution_api_server_url": f"{self.url}/execution/",
                # Airflow's default asks the name service, which may take seconds to say no.
                "hostname_callable": "socket.gethostname",
            },
            "database": {"sql_alchemy_conn": f"sqlite:///{folder}/airflow.db"},
            "logging": {
                "base_log_folder": logs,
                "dag_processor_child_process_log_directory": f"{logs}/dag_processor",
                "file_task_handler_new_folder_permissions": "0o700",
                "file_task_handler_new_file_permissions": "0o600",
                "colored_console_log": "False",
            },
            "api": {"host": "127.0.0.1", "port": str(self.port), "base_url": self.url, "workers": "1"},
            "api_auth": {},
            "scheduler": {
                "use_job_schedule": str(is_scheduling),
                "scheduler_idle_sleep_time": "0.2",
                # What a killed scheduler or task leaves is taken up within a minute or two, not five.
                "orphaned_tasks_check_interval": "30",
                "task_instance_heartbeat_timeout": "120",
            },
            # A worker that misses its task's end sees it at the next heartbeat, which by default is 5 s later.
            "workers": {"min_heartbeat_interval": "1"},
        }
