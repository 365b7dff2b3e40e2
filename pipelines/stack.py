"""What a team's server needs before its processes start: random secrets, and a database for each that keeps state."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pipelines.errors import UsageError
from pipelines.postgres_connection import connect
from pipelines.settings import CONNECTION, PREFIX, Settings

Log = Callable[[str], None]
SUPERUSER = "postgres"


def _password() -> str:
    return secrets.token_hex(24)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


_SECRETS: Mapping[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": _password,
    "AIRFLOW_DATABASE_PASSWORD": _password,
    "MLFLOW_DATABASE_PASSWORD": _password,
    "OPS_DATABASE_PASSWORD": _password,
    "AIRFLOW_PASSWORD": _password,
    "AIRFLOW_SECRET_KEY": _password,
    "AIRFLOW_JWT_SECRET": _password,
    "AIRFLOW_FERNET_KEY": _fernet_key,
}


# What docker-compose.yml decides itself.
_DECIDED = ("home", "airflow_connection", "mlflow_connection", "export_connection")
_OTHER_SETTINGS = """
# Addresses that a setting or sources.yml names, each by its own name, in single quotes where they have a $ or a #.
#NIGHTSHIFT_CONNECTION_MAIL='smtp://user:password@host:587'
#NIGHTSHIFT_CONNECTION_WEBHOOK='https://host/path'
#NIGHTSHIFT_CONNECTION_SHOP='postgresql://reader:password@host/shop'

# Credentials of an S3 store.
#AWS_ACCESS_KEY_ID=
#AWS_SECRET_ACCESS_KEY=
#AWS_SESSION_TOKEN=
#AWS_DEFAULT_REGION=
"""


def write_env(path: Path, timezone: str) -> list[str]:
    """Write the settings of docker-compose.yml, mode 0600, with random secrets; returns their names.

    Raises `UsageError` when the file is there already, whose secrets a database knows, or the timezone is none.
    """
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise UsageError(f"{timezone!r} is no timezone such as Europe/London") from None
    values = {"STORE_TIMEZONE": timezone} | {name: make() for name, make in _SECRETS.items()}
    if not _write_new(path, "".join(f"{name}={value}\n" for name, value in values.items())):
        raise UsageError(f"{path} is there already, and databases know its passwords; name another --output")
    return list(values)


def write_settings(path: Path) -> bool:
    """Write every setting a night may be told, commented out, mode 0600; False when the file is there already."""
    lines = [
        "# What nights on this server are told; read when scheduler and triggerer start. Secrets belong here, too."
    ]
    for name, field in Settings.model_fields.items():
        if name not in _DECIDED:
            lines.append(f"\n# {field.description}\n#{PREFIX}{name.upper()}={_shown(field.default)}")
    return _write_new(path, "\n".join(lines) + "\n" + _OTHER_SETTINGS)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) if isinstance(default, int | float | str) else ""


def _write_new(path: Path, text: str) -> bool:
    os.umask(0o077)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


def make_databases(settings: Settings, log: Log) -> None:
    """Make role and database of each connection that settings name, and give the role its password.

    What is there stays. The superuser is `NIGHTSHIFT_CONNECTION_POSTGRES`.
    """
    named = (settings.airflow_connection, settings.mlflow_connection, settings.export_connection)
    with connect(settings, SUPERUSER, "databases", "the server's superuser") as connection:
        connection.autocommit = True
        for name in dict.fromkeys(filter(None, named)):
            secret = settings.connection(name)
            if secret is None:
                raise UsageError(f"set {CONNECTION}{name.upper()} to the database's address")
            wanted = conninfo_to_dict(secret.get_secret_value())
            _make(connection, str(wanted["user"]), str(wanted["dbname"]), str(wanted.get("password", "")))
            log(f"database {wanted['dbname']} of {wanted['user']} is there")


def _make(connection: psycopg.Connection[object], user: str, database: str, password: str) -> None:
    """Others may not connect to the database."""
    role, place = sql.Identifier(user), sql.Identifier(database)
    if not connection.execute("select 1 from pg_roles where rolname = %s", [user]).fetchone():
        connection.execute(sql.SQL("create role {} login").format(role))
    connection.execute(sql.SQL("alter role {} password {}").format(role, sql.Literal(password)))
    if not connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone():
        connection.execute(sql.SQL("create database {} owner {}").format(place, role))
    connection.execute(sql.SQL("revoke connect on database {} from public").format(place))
