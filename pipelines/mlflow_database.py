"""MLflow's own database, where it is a file of the home."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock

from pipelines.errors import NightshiftError
from pipelines.home import move_durably

_SQLITE = "sqlite:///"


def check(uri: str) -> None:
    """Fail at once on a damaged database; MLflow itself retries for minutes."""
    path = _file(uri)
    if path is None or not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise NightshiftError(f"MLflow's database {path} cannot be read ({error}); restore it from a backup") from error


def prepare(uri: str, folder: Path) -> None:
    """Let MLflow make or migrate its tables, one process of the home at a time: two at once break them.

    A new file is made beside its place, since MLflow cannot go on with one that a killed process half made.
    """
    path = _file(uri)
    with FileLock(folder / ".mlflow.db.lock", mode=0o600):
        if path is not None and not path.exists():
            beside = path.with_name(f".{path.name}.tmp")
            for left in path.parent.glob(f"{beside.name}*"):
                left.unlink()
            _open_tables(f"{_SQLITE}{beside}")
            move_durably(beside, path)
        _open_tables(uri)


def _open_tables(uri: str) -> None:
    """Of runs and of models, each of which MLflow makes or migrates when it is first asked for them."""
    import mlflow

    client = mlflow.MlflowClient(uri, uri)
    client.search_experiments(max_results=1)
    client.search_registered_models(max_results=1)


def _file(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None
