"""A connection to a PostgreSQL server that a setting names; what goes wrong is one line without any secret."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pipelines.errors import NightshiftError, UsageError
from pipelines.settings import CONNECTION, Settings

_DEFAULTS = {"connect_timeout": "10", "application_name": "nightshift"}
# libpq gives no code for what happens before a log-in, only text that may repeat parts of the connection string.
_LOG_IN = {
    "authentication failed": "the server refuses the log-in",
    "no password supplied": "the server wants a password",
    "does not exist": "the server knows no such database or user",
    "could not translate host name": "there is no such host",
    "failed to resolve host": "there is no such host",
    "timeout": "the server does not answer",
}


def connect(settings: Settings, name: str, where: str, asked_by: str) -> psycopg.Connection[Any]:
    """Connect to `NIGHTSHIFT_CONNECTION_<NAME>`; `where` begins an error, `asked_by` is what names the connection.

    Raises `UsageError` when the string is absent or none, `NightshiftError` when the server is not to be had.
    """
    secret = settings.connection(name)
    if secret is None:
        raise UsageError(f"{asked_by}: set {CONNECTION}{name.upper()} to the server's connection string")
    try:
        parameters: dict[str, Any] = {**_DEFAULTS, **conninfo_to_dict(secret.get_secret_value())}
    except psycopg.Error:
        raise UsageError(
            f"setting {CONNECTION}{name.upper()}: no connection string such as postgresql://user:password@host/database"
        ) from None
    try:
        return psycopg.connect(**{**parameters, "client_encoding": "UTF8"})
    except psycopg.Error as error:
        told = str(error).lower()
        reason = next((ours for theirs, ours in _LOG_IN.items() if theirs in told), "the server cannot be reached")
        raise NightshiftError(f"{where}: connection {name}: {reason}; check {CONNECTION}{name.upper()}") from None
