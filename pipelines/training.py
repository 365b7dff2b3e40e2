"""From a feature snapshot to a decision: backtest -> gate -> fit -> registry -> decision.

Everything up to the decision may break off and be repeated: a repeated training finds what was judged and registered
before. The decision, one file, comes last; MLflow's alias and tags follow it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import backtest, decisions, model_card
from pipelines.choosing import Chosen, choose
from pipelines.decisions import PROMOTION, REFUSAL, Decision, Version
from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home
from pipelines.ledger import fingerprint
from pipelines.model_inputs import Inputs, model_inputs
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.description import Model, Recipe
    from models.gate import Verdict
    from pipelines.backtest import Backtest
    from pipelines.registry import Registry

GATE = "gate"
_ROOT = Path(__file__).parent.parent
Log = Callable[[str], None]


@dataclass(frozen=True)
class TrainReport:
    """What a training did. `status` is promoted, refused or unchanged (nothing new).

    The version is the one decided on. `metrics` holds `<candidate>.<metric>` on the judged windows; empty where the
    history is too short to compare.
    """

    model: str
    method: str
    model_version: str
    registered_version: str
    status: str
    message: str
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Judged:
    """A training up to its verdicts."""

    settings: Settings
    inputs: Inputs
    key: str
    tested: Backtest
    chosen: Chosen


def train(
    settings: Settings, as_of: date, snapshot: str, models: Sequence[str] | None = None, log: Log = print
) -> list[TrainReport]:
    """Train each model (all by default) on a snapshot that ends on `as_of`.

    A training on the same snapshot with the same code, settings and seed is found, not repeated. Raises `UsageError`
    for an unknown model, `NightshiftError` for a snapshot that cannot be learned from.
    """
    from models.questions import NAMES

    if unknown := [model for model in models or () if model not in NAMES]:
        raise UsageError(f"no model is called {', '.join(unknown)}; there is {', '.join(NAMES)}")
    return [_train(settings, model, as_of, snapshot, log) for model in models or NAMES]


def _train(settings: Settings, model: str, as_of: date, snapshot: str, log: Log) -> TrainReport:
    from models.rolling import Rolling
    from pipelines.registry import Registry

    home, registry = Home(settings.home), Registry(settings, model)
    key = _training_key(settings, model, as_of, snapshot)
    if decided := decisions.of_training(home, model, key):
        registry.follow(_champion(home, model), decided)
        return _report(decided, "unchanged", "was decided on before", log)
    inputs = model_inputs(settings, model, as_of, snapshot)
    champion = _champion(home, model)
    recipes = backtest.candidates(inputs, settings.seed, _recipe(champion))
    with Rolling(inputs.question, inputs.history, recipes, settings.threads) as rolling:
        tested = backtest.run(home, inputs, rolling, recipes, inputs.description.gate.windows, log)
        judged = _Judged(settings, inputs, key, tested, choose(tested, recipes, champion, as_of))
        log(f"{model}: {judged.chosen.reason}")
        for verdict in judged.chosen.verdicts:
            fitted = rolling.fit(verdict.challenger, as_of, inputs.matures_days)
            version = _registered(registry, judged, verdict, fitted, recipes[verdict.challenger])
    return _decide(home, registry, champion, judged, version, log)


def _decide(
    home: Home, registry: Registry, champion: Version | None, judged: _Judged, version: Version, log: Log
) -> TrainReport:
    """Record the decision on a version, unless the champion it was weighed against is no longer one."""
    chosen = judged.chosen
    is_promoted = chosen.decided.is_accepted
    decision = Decision(
        kind=PROMOTION if is_promoted else REFUSAL,
        decided_by=GATE,
        version=version,
        reason=chosen.reason,
        figures=chosen.decided.figures,
        training_key=judged.key,
    )
    with decisions.deciding(home):
        if _champion(home, version.model) != champion:
            raise NightshiftError(f"{version.model}: the champion changed meanwhile; train again")
        decided = decisions.decide(home, decision)
    registry.follow(_champion(home, version.model), decided)
    return _report(decided, "promoted" if is_promoted else "refused", "is champion" if is_promoted else "is kept", log)


def _report(decided: Mapping[str, Any], status: str, what: str, log: Log) -> TrainReport:
    version = decisions.version_of(decided)
    message = f"{version.name} {what}; {decided['reason']}"
    log(f"{version.model}: {message}")
    return TrainReport(
        model=version.model,
        method=version.method,
        model_version=version.model_version,
        registered_version=version.registered_version,
        status=status,
        message=message,
        metrics=decided["figures"],
    )


def _registered(registry: Registry, judged: _Judged, verdict: Verdict, fitted: Model, recipe: Recipe) -> Version:
    """The version of a fitted model: the one that is registered already, or a new one."""
    from pipelines.registry import Trained

    inputs = judged.inputs
    found = registry.find(model_version=fitted.version, snapshot_hash=inputs.snapshot)
    if found is None or not (registry.home.root / registry.described(found).folder).is_dir():
        tags, example = _tags(judged, verdict, fitted, recipe), inputs.question.example()
        libraries = ("mlflow", *inputs.description.predicts_with)
        trained = Trained(
            files=fitted.files(),
            documents=model_card.documents(inputs, fitted, judged.tested, judged.chosen.trial, verdict, tags),
            tags=tags,
            parameters={"seed": recipe.seed, **recipe.parameters},
            metrics=verdict.figures,
            input_example=example,
            output_example=fitted.predict(example),
            requirements=tuple(f"{name}=={installed_version(name)}" for name in libraries),
            matures_days=inputs.matures_days,
        )
        found = registry.register(trained)
    return registry.described(found)


def _tags(judged: _Judged, verdict: Verdict, fitted: Model, recipe: Recipe) -> dict[str, str]:
    inputs = judged.inputs
    return {
        "model_version": fitted.version,
        "method": fitted.method,
        "as_of": str(inputs.as_of),
        "snapshot_hash": inputs.snapshot,
        "matures_days": str(inputs.matures_days),
        "seed": str(judged.settings.seed),
        "git_commit": git_commit(),
        "code": backtest.code_of(inputs.description.name),
        "training_key": judged.key,
        "recipe": recipe.text,
        "verdict": verdict.reason,
        "judged_on": backtest.window_text(judged.tested.windows),
    }


def _champion(home: Home, model: str) -> Version | None:
    champions = decisions.champions_of(home, model)
    return champions[0] if champions else None


def _recipe(champion: Version | None) -> Recipe | None:
    from models.description import Recipe

    return Recipe.from_text(champion.recipe) if champion and champion.recipe else None


def _training_key(settings: Settings, model: str, as_of: date, snapshot: str) -> str:
    """Equal for two trainings that must give the same model."""
    from models.questions import description
    from pipelines.model_inputs import matures_days

    return fingerprint(
        {
            "snapshot": snapshot,
            "as_of": str(as_of),
            "seed": settings.seed,
            "matures_days": matures_days(settings, description(model)),
            "code": backtest.code_of(model),
        }
    )


def git_commit() -> str:
    """The commit this code lies at, `unknown` outside a repository."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    answer = subprocess.run([git, "rev-parse", "HEAD"], cwd=_ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else "unknown"
