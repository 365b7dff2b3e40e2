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
from pipelines.settings import CONNECTION, Settings

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


def write_env(path: Path, timezone: str) -> list[str]:
    """Write the settings of docker-compose.yml, mode 0600, with random secrets; returns their names.

    Raises `UsageError` when the file is there already, whose secrets a database knows, or the timezone is none.
    """
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise UsageError(f"{timezone!r} is no timezone such as Europe/London") from None
    values = {"STORE_TIMEZONE": timezone} | {name: make() for name, make in _SECRETS.items()}
    os.umask(0o077)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise UsageError(f"{path} is there already, and databases know its passwords; name another --output") from None
    return list(values)


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
