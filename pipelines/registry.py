"""The MLflow side: runs, registered versions, and the alias `champion`, which follows the decisions.

A version carries as tags what it takes to trust and to find it: the SHA-256 of each file, the hash of what
predicts, the snapshot, and the fingerprint of everything its training depended on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import mlflow_database, model_files
from pipelines.decisions import Version
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.postgres_connection import connect
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
_SHA256_TAG = "sha256."
SERVED_BY = Path(__file__).parent / "served_model.py"


@dataclass(frozen=True)
class Trained:
    """One training's result, as the registry is to keep it.

    `files` are what predicts; `documents` lie beside them for people. `matures_days` is what the model is served with.
    """

    files: Mapping[str, bytes]
    documents: Mapping[str, bytes]
    tags: Mapping[str, str]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    input_example: pd.DataFrame
    output_example: pd.DataFrame
    requirements: tuple[str, ...]
    matures_days: int


class Registry:
    """One model's versions in the home's MLflow."""

    def __init__(self, settings: Settings, model: str) -> None:
        """Open MLflow, making its tables where there are none.

        Raises `NightshiftError` when its file is damaged, `UnavailableError` when its server is not to be had: MLflow
        itself would try for minutes.
        """
        mlflow_database.check(settings.mlflow_tracking_uri)
        if settings.mlflow_connection:
            connect(settings, settings.mlflow_connection, "MLflow", "setting NIGHTSHIFT_MLFLOW_CONNECTION").close()
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
        mlflow_database.prepare(settings.mlflow_tracking_uri, self.home.mlflow)
        self.client = mlflow.MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)

    def find(self, **tags: str) -> ModelVersion | None:
        """The newest version that carries all these tags."""
        wanted = [f"name = '{self.model}'", *(f"tag.{name} = '{value}'" for name, value in tags.items())]
        found = self.client.search_model_versions(" and ".join(wanted))
        return max(found, key=lambda version: int(version.version), default=None)

    def numbered(self, number: str) -> ModelVersion | None:
        """The version with this number, or whose `model_version` begins so."""
        found = self.client.search_model_versions(f"name = '{self.model}'")
        exact = [version for version in found if str(version.version) == number]
        alike = [version for version in found if version.tags.get("model_version", "").startswith(number)]
        return max(exact or alike, key=lambda version: int(version.version), default=None)

    def of_run(self, run_id: str) -> ModelVersion | None:
        """The version that a run registered."""
        found = [each for each in self.client.search_model_versions(f"name = '{self.model}'") if each.run_id == run_id]
        return found[0] if found else None

    def figures(self, version: Version) -> dict[str, float]:
        """The metrics of a version's run."""
        return dict(self.client.get_run(version.run_id).data.metrics)

    def tag_files(self, version: Version) -> None:
        """Put the SHA-256 of a version's files on record."""
        for name, digest in version.sha256.items():
            self.client.set_model_version_tag(self.model, version.registered_version, f"{_SHA256_TAG}{name}", digest)

    def described(self, version: ModelVersion) -> Version:
        """The version as decisions name it; raises `NightshiftError` when its files lie outside the home."""
        source = self.client.get_model_version_download_uri(self.model, version.version).removeprefix("file://")
        folder = Path(source) / "artifacts"
        try:
            inside = folder.resolve().relative_to(self.home.root.resolve())
        except ValueError:
            raise NightshiftError(f"version {version.version}: {folder} is outside {self.home.root}") from None
        tags = version.tags
        return Version(
            model=self.model,
            registered_version=str(version.version),
            model_version=tags.get("model_version", ""),
            method=tags.get("method", ""),
            as_of=tags.get("as_of", ""),
            snapshot_hash=tags.get("snapshot_hash", ""),
            recipe=tags.get("recipe", ""),
            folder=str(inside),
            sha256={
                name.removeprefix(_SHA256_TAG): digest
                for name, digest in sorted(tags.items())
                if name.startswith(_SHA256_TAG)
            },
            run_id=str(version.run_id),
            git_commit=tags.get("git_commit", ""),
        )

    def register(self, trained: Trained) -> ModelVersion:
        """Log one run with its model and register it as a new version."""
        import mlflow
        from mlflow.models import infer_signature

        digests = model_files.digests(trained.files)
        with tempfile.TemporaryDirectory() as folder:
            # MLflow copies a file with its mode, and a file of the source tree is open to others.
            served_by = Path(folder) / SERVED_BY.name
            served_by.write_bytes(SERVED_BY.read_bytes())
            contents = {**trained.files, **trained.documents}
            artifacts = {name: Path(folder) / name for name in contents}
            for name, path in artifacts.items():
                path.write_bytes(contents[name])
            with mlflow.start_run(experiment_id=self._experiment()):
                mlflow.set_tags(dict(trained.tags))
                mlflow.log_params(dict(trained.parameters))
                mlflow.log_metrics(dict(trained.metrics))
                logged = mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(served_by),
                    artifacts={name: str(path) for name, path in artifacts.items()},
                    model_config={"model": self.model, "matures_days": trained.matures_days, "sha256": digests},
                    signature=infer_signature(trained.input_example, trained.output_example),
                    input_example=trained.input_example,
                    pip_requirements=list(trained.requirements),
                )
        tags = {**trained.tags, **{f"{_SHA256_TAG}{name}": digest for name, digest in digests.items()}}
        registered = mlflow.register_model(logged.model_uri, self.model, tags=tags, await_registration_for=None)
        return self.client.get_model_version(self.model, registered.version)

    def follow(self, champion: Version | None, decided: Mapping[str, Any] | None) -> None:
        """Bring alias and tags in line with the decisions; safe to repeat after a crash at any point."""
        if decided:
            for name in ("kind", "decided_by", "reason"):
                self.client.set_model_version_tag(
                    self.model, decided["registered_version"], f"decision.{name}", decided[name]
                )
        if champion and champion.registered_version != self._under_alias():
            self.client.set_registered_model_alias(self.model, CHAMPION, champion.registered_version)

    def _under_alias(self) -> str | None:
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias(self.model, CHAMPION).version)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.model)
        if found:
            return str(found.experiment_id)
        return str(self.client.create_experiment(self.model, artifact_location=str(self.home.mlflow / "artifacts")))
