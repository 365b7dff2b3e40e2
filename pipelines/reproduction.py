"""Whether a registered model can be made again: from its snapshot, with its commit, recipe and seed."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import backtest, model_files
from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home
from pipelines.settings import Settings

_ROOT = Path(__file__).parent.parent
_HOURS = 6
Log = Callable[[str], None]


@dataclass(frozen=True)
class Reproduction:
    """How many predictions of the recorded and the rebuilt model were compared and how many differ."""

    model: str
    recorded_version: str
    rebuilt_version: str
    rows: int
    differing: int


def reproduce(settings: Settings, run_id: str, log: Log) -> Reproduction:
    """Rebuild the model of an MLflow run and compare its predictions on the run's snapshot with the recorded one's.

    Raises `UsageError` for a run that registered no model, `NightshiftError` when snapshot, files or code are gone
    or the rebuilt model is another.
    """
    from models.questions import NAMES
    from pipelines.registry import Registry

    home = Home.open(settings.home)
    for model in NAMES:
        registry = Registry(settings, model)
        if found := registry.of_run(run_id):
            version, tags = registry.described(found), found.tags
            break
    else:
        raise UsageError(f"no registered model comes from run {run_id}; nightshift up shows the runs")
    if not (home.snapshots / version.snapshot_hash).is_dir():
        raise NightshiftError(
            f"snapshot {version.snapshot_hash} is not kept any more; make it again with: "
            f"nightshift build --as-of {version.as_of}"
        )
    files = model_files.proven(home.root / version.folder, version.sha256)
    with _tree(model, tags) as tree, tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        log(f"{model}: learning {version.name} again from snapshot {version.snapshot_hash}")
        arguments = [model, version.snapshot_hash, version.as_of, tags["matures_days"], version.recipe, folder]
        answer = _rebuilt(tree, home, arguments)
    if answer["code"] != tags["code"]:
        raise NightshiftError(
            f"commit {tags['git_commit'][:12]} with what is installed is not the code that {version.name} was made by"
        )
    done = Reproduction(model, version.model_version, answer["version"], answer["rows"], answer["differing"])
    if done.differing or done.rebuilt_version != done.recorded_version:
        raise NightshiftError(
            f"{version.name} came out as {done.rebuilt_version}; {done.differing:,} of {done.rows:,} predictions differ"
        )
    return done


@contextmanager
def _tree(model: str, tags: Mapping[str, str]) -> Iterator[Path]:
    """The folder of the code that made a version: this one, or its commit's in a folder that goes afterwards."""
    if backtest.code_of(model) == tags["code"]:
        yield _ROOT
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [shutil.which("git") or "git", "archive", tags["git_commit"], "models", "pipelines"]
        archive = subprocess.run(command, cwd=_ROOT, capture_output=True, check=False)
        if archive.returncode != 0:
            raise NightshiftError(
                f"the code of commit {tags['git_commit'][:12]} is not here: {archive.stderr.decode().strip()}"
            )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder)


def _rebuilt(tree: Path, home: Home, arguments: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "pipelines.rebuilt_model", str(home.root), *arguments]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=3600 * _HOURS, check=False)
    except subprocess.TimeoutExpired:
        raise NightshiftError(f"learning it again took longer than {_HOURS} hours") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise NightshiftError(f"it could not be learned again: {said[-1]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
