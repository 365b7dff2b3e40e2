"""From a feature snapshot to a decision: backtest -> gate -> fit -> registry -> decision.

Everything up to the decision may break off and be repeated: a repeated training finds what was judged and registered
before. The decision, one file, comes last; MLflow's alias and tags follow it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import backtest, decisions, model_card
from pipelines.decisions import PROMOTION, REFUSAL, Decision, Version
from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home
from pipelines.ledger import fingerprint
from pipelines.model_inputs import Inputs, model_inputs
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.description import Recipe
    from models.gate import Verdict
    from models.rolling import Rolling
    from models.trial import Trial
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
class Chosen:
    """What the gate says: the verdict on each candidate that was weighed, the one decided on last."""

    verdicts: tuple[Verdict, ...]
    trial: Trial | None

    @property
    def decided(self) -> Verdict:
        return self.verdicts[-1]

    @property
    def reason(self) -> str:
        return "; ".join(verdict.reason for verdict in reversed(self.verdicts))


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
    from pipelines.registry import Registry

    home, registry = Home(settings.home), Registry(settings, model)
    key = _training_key(settings, model, as_of, snapshot)
    if decided := decisions.of_training(home, model, key):
        _follow(home, registry, decided)
        return _report(decided, "unchanged", "was decided on before", log)
    inputs = model_inputs(settings, model, as_of, snapshot)
    champion = _champion(home, model)
    recipes = backtest.candidates(inputs, settings.seed, _recipe(champion))
    from models.rolling import Rolling

    with Rolling(inputs.question, inputs.history, recipes, settings.threads) as rolling:
        tested = backtest.run(home, inputs, rolling, recipes, inputs.description.gate.windows, log)
        chosen = choose(tested, recipes, champion, as_of)
        log(f"{model}: {chosen.reason}")
        versions = [
            _registered(settings, registry, inputs, rolling, recipes[verdict.challenger], key, tested, chosen, verdict)
            for verdict in chosen.verdicts
        ]
    return _decide(home, registry, champion, chosen, versions[-1], key, log)


def choose(tested: Backtest, recipes: Mapping[str, Recipe], champion: Version | None, as_of: date) -> Chosen:
    """The challenger's verdict and, where it is refused, that of a baseline.

    A candidate that is learned as the champion was is the champion on newer data: it has no other champion to beat.
    What a champion has learned on days after `as_of` it keeps.
    """
    from models.gate import decide

    challenger, rival = tested.description.challenger, _name_of(recipes, champion)
    trial = tested.trial(challenger)
    if trial is None:
        reason = f"without comparison: too little closed history to judge {challenger}"
        baseline = tested.description.fallback.baseline
        is_free = champion is None or (rival == baseline and champion.as_of <= str(as_of))
        return Chosen((_unopposed(baseline, reason, {}, is_free),), None)
    verdict = decide(trial, challenger, None if rival == challenger else rival)
    if champion and champion.as_of > str(as_of):
        later = f"{challenger}: the champion has learned up to {champion.as_of}, this up to {as_of}"
        return Chosen((replace(verdict, is_accepted=False, reason=later),), trial)
    second = None if verdict.is_accepted else _baseline(trial, rival)
    return Chosen((verdict, second) if second else (verdict,), trial)


def _baseline(trial: Trial, rival: str | None) -> Verdict | None:
    """The best baseline, where it may take the champion's place: there is none, or it is better beyond noise.

    Else the champion on newer data, where it is a baseline.
    """
    from models.gate import best, decide

    baselines = trial.description.baselines
    leader = best(trial, list(baselines)) or trial.description.fallback.baseline
    figures = trial.figures
    if rival is None:
        return _unopposed(leader, "has the best figures of the baselines", figures)
    verdict = decide(trial, leader, rival) if leader != rival else None
    if verdict and verdict.is_accepted:
        return verdict
    return _unopposed(rival, "is the champion on newer days", figures) if rival in baselines else None


def _unopposed(baseline: str, reason: str, figures: Mapping[str, float], is_accepted: bool = True) -> Verdict:
    from models.gate import Verdict

    return Verdict(baseline, is_accepted, f"{baseline} {reason}", figures, ())


def _decide(
    home: Home,
    registry: Registry,
    champion: Version | None,
    chosen: Chosen,
    version: Version,
    key: str,
    log: Log,
) -> TrainReport:
    verdict = chosen.decided
    kind = PROMOTION if verdict.is_accepted else REFUSAL
    with decisions.deciding(home, version.model):
        if _champion(home, version.model) != champion:
            raise NightshiftError(f"{version.model}: the champion changed meanwhile; train again")
        decisions.decide(home, Decision(kind, GATE, version, chosen.reason, verdict.figures, key))
    decided = decisions.of_training(home, version.model, key) or {}
    _follow(home, registry, decided)
    is_promoted = kind == PROMOTION
    return _report(decided, "promoted" if is_promoted else "refused", "is champion" if is_promoted else "is kept", log)


def _follow(home: Home, registry: Registry, decided: Mapping[str, Any]) -> None:
    registry.follow(_champion(home, registry.model), decided)


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


def _registered(
    settings: Settings,
    registry: Registry,
    inputs: Inputs,
    rolling: Rolling,
    recipe: Recipe,
    key: str,
    tested: Backtest,
    chosen: Chosen,
    verdict: Verdict,
) -> Version:
    """The version of a fitted model: the one that is registered already, or a new one."""
    from pipelines.registry import Trained

    fitted = rolling.fit(verdict.challenger, inputs.as_of, inputs.matures_days)
    found = registry.find(model_version=fitted.version, snapshot_hash=inputs.snapshot)
    if found is None:
        example = inputs.question.example()
        tags = {
            "model_version": fitted.version,
            "method": fitted.method,
            "as_of": str(inputs.as_of),
            "snapshot_hash": inputs.snapshot,
            "matures_days": str(inputs.matures_days),
            "seed": str(settings.seed),
            "git_commit": git_commit(),
            "code": backtest.code_of(registry.model),
            "training_key": key,
            "recipe": recipe.text,
            "verdict": verdict.reason,
            "judged_on": backtest.window_text(tested.windows),
        }
        trained = Trained(
            files=fitted.files(),
            documents=model_card.documents(inputs, fitted, tested, chosen.trial, verdict, tags),
            tags=tags,
            parameters={"seed": recipe.seed, **recipe.parameters},
            metrics=verdict.figures,
            input_example=example,
            output_example=fitted.predict(example),
            requirements=tuple(
                f"{name}=={installed_version(name)}" for name in ("mlflow", *inputs.description.predicts_with)
            ),
            matures_days=inputs.matures_days,
        )
        found = registry.register(trained)
    return registry.described(found)


def _champion(home: Home, model: str) -> Version | None:
    champions = decisions.champions_of(home, model)
    return champions[0] if champions else None


def _recipe(champion: Version | None) -> Recipe | None:
    from models.description import Recipe

    return Recipe.from_text(champion.recipe) if champion and champion.recipe else None


def _name_of(recipes: Mapping[str, Recipe], champion: Version | None) -> str | None:
    """The candidate that is learned as the champion was; a baseline has no seed."""
    if champion is None:
        return None
    if champion.method in recipes and not recipes[champion.method].parameters:
        return champion.method
    found = [name for name, recipe in recipes.items() if recipe.text == champion.recipe]
    return found[0] if found else None


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
