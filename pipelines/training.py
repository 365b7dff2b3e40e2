"""From a feature snapshot to a registered model: features -> candidates -> gate -> MLflow."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import UsageError
from pipelines.ledger import fingerprint
from pipelines.model_inputs import demand_panel
from pipelines.settings import Settings

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from models.demand.development import Development
    from models.demand.panel import Panel
    from pipelines.registry import Registry, Trained

DEMAND = "demand"
MODELS = (DEMAND,)
_ROOT = Path(__file__).parent.parent
_SERVED_BY = Path(__file__).parent / "demand_pyfunc.py"
_PREDICTS_WITH = ("lightgbm", "mlflow", "numpy", "pandas", "scipy")
Log = Callable[[str], None]


@dataclass(frozen=True)
class TrainReport:
    """What a training did. `status` is promoted, registered (not promoted) or unchanged (nothing new).

    `metrics` holds `<method>.<metric>` of every candidate on the newest closed window; empty where the history is
    too short to compare.
    """

    model: str
    method: str
    model_version: str
    registered_version: str
    status: str
    message: str
    metrics: Mapping[str, float] = field(default_factory=dict)


def train(
    settings: Settings, as_of: date, snapshot: str, models: Sequence[str] | None = None, log: Log = print
) -> list[TrainReport]:
    """Train each model (all by default) on a snapshot that ends on `as_of`.

    The same snapshot, code and seed are found in the registry and not trained again. Raises `UsageError` for an
    unknown model, `NightshiftError` for a snapshot that cannot be learned from.
    """
    if unknown := [model for model in models or () if model not in MODELS]:
        raise UsageError(f"no model is called {', '.join(unknown)}; there is {', '.join(MODELS)}")
    return [_train_demand(settings, as_of, snapshot, log) for _ in models or MODELS]


def _train_demand(settings: Settings, as_of: date, snapshot: str, log: Log) -> TrainReport:
    from models.demand.development import develop
    from pipelines.registry import Registry

    registry = Registry(settings, DEMAND)
    key = _training_key(settings, as_of, snapshot)
    if found := registry.find(training_key=key):
        return _settle(registry, found, as_of, log)
    panel = demand_panel(settings, as_of, snapshot)
    log(f"{DEMAND}: training on {len(panel.day):,} SKU-days up to {as_of}")
    developed = develop(panel, as_of, settings.horizon_days, settings.seed, settings.threads, log)
    log(f"{DEMAND}: {developed.reason}")
    if found := registry.find(model_version=developed.model.version, snapshot_hash=snapshot):
        return _settle(registry, found, as_of, log)
    trained = _trained(settings, as_of, snapshot, key, panel, developed)
    return _settle(registry, registry.register(trained), as_of, log, is_new=True)


def _settle(registry: Registry, version: ModelVersion, as_of: date, log: Log, is_new: bool = False) -> TrainReport:
    """Promote the version unless that is done already or the champion knows later days."""
    champion = registry.champion()
    run = registry.client.get_run(str(version.run_id))
    metrics, reason = dict(run.data.metrics), run.data.tags["reason"]
    name = f"version {version.version} ({version.tags['method']}, {version.tags['model_version']})"
    if champion and champion.tags["as_of"] > str(as_of):
        status = "registered" if is_new else "unchanged"
        message = f"{name} is kept; the champion was trained as of {champion.tags['as_of']}, this as of {as_of}"
    elif registry.is_promoted(version):
        status, message = "unchanged", f"{name} was trained on the same snapshot, code and seed before"
    else:
        registry.promote(version, metrics, reason)
        status, message = "promoted", f"{name} is champion; {reason}"
    log(f"{version.name}: {message}")
    return TrainReport(
        model=version.name,
        method=version.tags["method"],
        model_version=version.tags["model_version"],
        registered_version=str(version.version),
        status=status,
        message=message,
        metrics=metrics,
    )


def _trained(settings: Settings, as_of: date, snapshot: str, key: str, panel: Panel, developed: Development) -> Trained:
    from models.demand import trees
    from models.demand.features import example_features
    from pipelines.registry import Trained

    model, window = developed.model, developed.window
    example = example_features()
    tags = {
        "model_version": model.version,
        "method": model.method,
        "as_of": str(as_of),
        "snapshot_hash": snapshot,
        "seed": str(settings.seed),
        "git_commit": _git_commit(),
        "training_key": key,
        "reason": developed.reason,
        "metrics_window": f"{window.first} to {window.last}, forecast from {window.origin}",
        "refit": f"mean refitted on all days up to {as_of}, dispersion from the metrics window",
    }
    return Trained(
        files=model.files(),
        tags=tags,
        parameters=_parameters(settings, trees.PARAMETERS | {"num_boost_round": trees.ROUNDS}),
        metrics=_finite(developed.metrics),
        served_by=_SERVED_BY,
        input_example=example,
        output_example=model.predict(example),
        requirements=tuple(f"{name}=={installed_version(name)}" for name in _PREDICTS_WITH),
    )


def _parameters(settings: Settings, trees: Mapping[str, Any]) -> dict[str, Any]:
    return {"horizon_days": settings.horizon_days, "seed": settings.seed, **trees}


def _finite(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    flat = {f"{method}.{name}": value for method, figures in metrics.items() for name, value in figures.items()}
    return {name: value for name, value in flat.items() if abs(value) < float("inf")}


def _training_key(settings: Settings, as_of: date, snapshot: str) -> str:
    """Equal for two trainings that must give the same model."""
    sources = [*sorted((_ROOT / "models").glob("*.py")), *sorted((_ROOT / "models" / DEMAND).glob("*.py"))]
    return fingerprint(
        {
            "snapshot": snapshot,
            "as_of": str(as_of),
            "seed": settings.seed,
            "horizon_days": settings.horizon_days,
            "code": [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources],
            "libraries": {name: installed_version(name) for name in _PREDICTS_WITH},
        }
    )


def _git_commit() -> str:
    """The commit this code lies at, `unknown` outside a repository."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    answer = subprocess.run([git, "rev-parse", "HEAD"], cwd=_ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else "unknown"
