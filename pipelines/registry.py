"""The MLflow side: runs, registered versions, the alias `champion`, and the decision that set it.

A version carries as tags what it takes to trust and to find it: the SHA-256 of each file, the hash of what
predicts, the snapshot, and the fingerprint of everything its training depended on.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipelines.errors import NightshiftError
from pipelines.home import Home, write_atomically
from pipelines.ledger import canonical_json, fingerprint
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
_SHA256_TAG = "sha256."
_PROMOTED_TAG = "promoted"
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Trained:
    """One training's result, as the registry is to keep it."""

    files: Mapping[str, bytes]
    tags: Mapping[str, str]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    served_by: Path
    input_example: pd.DataFrame
    output_example: pd.DataFrame
    requirements: tuple[str, ...]


class Registry:
    """One model's versions in the home's MLflow."""

    def __init__(self, settings: Settings, model: str) -> None:
        """Open MLflow, making its database where there is none; raises `NightshiftError` when it is damaged."""
        _check_database(settings.mlflow_tracking_uri)
        # MLflow reads these when it is imported: nothing is unpickled, nothing is sent to its makers.
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
        import mlflow

        self.home, self.model = Home(settings.home), model
        self.home.mlflow.mkdir(parents=True, exist_ok=True, mode=0o700)
        mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
        mlflow.set_registry_uri(settings.mlflow_tracking_uri)
        self.client = mlflow.MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)

    def find(self, **tags: str) -> ModelVersion | None:
        """The newest version that carries all these tags."""
        wanted = [f"name = '{self.model}'", *(f"tag.{name} = '{value}'" for name, value in tags.items())]
        found = self.client.search_model_versions(" and ".join(wanted))
        return max(found, key=lambda version: int(version.version), default=None)

    def champion(self, as_of: date | None = None) -> ModelVersion | None:
        """The version under the alias; for an `as_of` before its training, the newest promoted by then.

        A version trained on later days has seen what it would forecast.
        """
        current = self._under_alias()
        if as_of is None or (current and current.tags["as_of"] <= str(as_of)):
            return current
        promoted = self.client.search_model_versions(f"name = '{self.model}' and tag.{_PROMOTED_TAG} = 'true'")
        known = [version for version in promoted if version.tags["as_of"] <= str(as_of)]
        return max(known, key=lambda version: (version.tags["as_of"], int(version.version)), default=None)

    def verified_files(self, version: ModelVersion) -> dict[str, bytes]:
        """The version's files as bytes; raises `NightshiftError` unless each has the SHA-256 it was registered with."""
        import mlflow

        expected = {
            name.removeprefix(_SHA256_TAG): value
            for name, value in version.tags.items()
            if name.startswith(_SHA256_TAG)
        }
        source = self.client.get_model_version_download_uri(self.model, version.version)
        files = {}
        for name, digest in expected.items():
            path = mlflow.artifacts.download_artifacts(artifact_uri=f"{source}/artifacts/{name}")
            files[name] = Path(path).read_bytes()
            if hashlib.sha256(files[name]).hexdigest() != digest:
                raise NightshiftError(f"version {version.version}: {name} is not the file that was registered")
        return files

    def register(self, trained: Trained) -> ModelVersion:
        """Log one run with its model and register it as a new version."""
        import mlflow
        from mlflow.models import infer_signature

        with tempfile.TemporaryDirectory() as folder:
            # MLflow copies a file with its mode, and a file of the source tree is open to others.
            served_by = Path(folder) / trained.served_by.name
            served_by.write_bytes(trained.served_by.read_bytes())
            artifacts = {name: Path(folder) / name for name in trained.files}
            for name, path in artifacts.items():
                path.write_bytes(trained.files[name])
            with mlflow.start_run(experiment_id=self._experiment()):
                mlflow.set_tags(dict(trained.tags))
                mlflow.log_params(dict(trained.parameters))
                mlflow.log_metrics(dict(trained.metrics))
                logged = mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(served_by),
                    artifacts={name: str(path) for name, path in artifacts.items()},
                    signature=infer_signature(trained.input_example, trained.output_example),
                    input_example=trained.input_example,
                    pip_requirements=list(trained.requirements),
                )
        digests = {
            f"{_SHA256_TAG}{name}": hashlib.sha256(content).hexdigest() for name, content in trained.files.items()
        }
        registered = mlflow.register_model(
            logged.model_uri, self.model, tags={**trained.tags, **digests}, await_registration_for=None
        )
        return self.client.get_model_version(self.model, registered.version)

    def is_promoted(self, version: ModelVersion) -> bool:
        return version.tags.get(_PROMOTED_TAG) == "true"

    def promote(self, version: ModelVersion, metrics: Mapping[str, float], reason: str) -> None:
        """Give `version` the alias and record the decision; safe to repeat after a crash at any point."""
        previous = self.champion()
        content = {
            "kind": "promotion",
            "model": self.model,
            "as_of": version.tags["as_of"],
            "registered_version": version.version,
            "model_version": version.tags["model_version"],
            "method": version.tags["method"],
            "snapshot_hash": version.tags["snapshot_hash"],
            "metrics": dict(metrics),
            "reason": reason,
        }
        name = fingerprint(content)[:12]
        if not list(self.home.decisions.glob(f"*-{name}.json")):
            now = datetime.now(UTC)
            replaced = previous.tags["model_version"] if previous else None
            event = {"decided_at": now.isoformat(), **content, "previous_model_version": replaced}
            write_atomically(self.home.decisions / f"{now:%Y%m%dT%H%M%S%f}-{name}.json", canonical_json(event))
        self.client.set_registered_model_alias(self.model, CHAMPION, version.version)
        self.client.set_model_version_tag(self.model, version.version, _PROMOTED_TAG, "true")

    def _under_alias(self) -> ModelVersion | None:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_model_version_by_alias(self.model, CHAMPION)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.model)
        if found:
            return str(found.experiment_id)
        return str(self.client.create_experiment(self.model, artifact_location=str(self.home.mlflow / "artifacts")))


def has_database(settings: Settings) -> bool:
    """False while nothing was trained yet; a reader must not make MLflow create its database."""
    path = _database(settings.mlflow_tracking_uri)
    return path is None or path.exists()


def _check_database(uri: str) -> None:
    """Fail at once on a damaged database; MLflow itself retries for minutes."""
    path = _database(uri)
    if path is None or not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise NightshiftError(f"MLflow's database {path} cannot be read ({error}); restore it from a backup") from error


def _database(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None
