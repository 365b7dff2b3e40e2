"""A connection to a PostgreSQL server that a setting names; what goes wrong is one line without any secret."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pipelines.errors import NightshiftError, UnavailableError, UsageError
from pipelines.settings import CONNECTION, Settings

_DEFAULTS = {"connect_timeout": "10", "application_name": "nightshift"}
_SILENT, _UNREACHABLE = "the server does not answer", "the server cannot be reached"
_NO_HOST = "there is no such host"
# libpq gives no code for what happens before a log-in, only text that may repeat parts of the connection string.
_LOG_IN = {
    "authentication failed": "the server refuses the log-in",
    "no password supplied": "the server wants a password",
    "does not exist": "the server knows no such database or user",
    "could not translate host name": _NO_HOST,
    "failed to resolve host": _NO_HOST,
    "timeout": _SILENT,
}
_MAY_PASS = (_SILENT, _UNREACHABLE, _NO_HOST)
# Of SQLSTATE: connection, rollback of a transaction, want of resources, an operator's doing.
_PASSING_CLASSES = ("08", "40", "53", "57")


def connect(settings: Settings, name: str, where: str, asked_by: str) -> psycopg.Connection[Any]:
    """Connect to `NIGHTSHIFT_CONNECTION_<NAME>`; `where` begins an error, `asked_by` is what names the connection.

    Raises `UsageError` when the string is absent or none, `NightshiftError` when the server refuses,
    `UnavailableError` when it is not to be had.
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
        reason = next((ours for theirs, ours in _LOG_IN.items() if theirs in told), _UNREACHABLE)
        kind = UnavailableError if reason in _MAY_PASS else NightshiftError
        raise kind(f"{where}: connection {name}: {reason}; check {CONNECTION}{name.upper()}") from None


def fault_of(error: psycopg.Error) -> type[NightshiftError]:
    """Whether what a server or the way to it did may pass by itself: a broken connection, a restart, a full house."""
    if error.sqlstate is None:
        may_pass = isinstance(error, psycopg.OperationalError)
    else:
        may_pass = error.sqlstate[:2] in _PASSING_CLASSES
    return UnavailableError if may_pass else NightshiftError
