"""From the champion to predictions: prove its files, predict, check, write.

A night never goes without predictions and never trusts a doubtful model: where the champion cannot speak, the last
good one before it does, else the baseline. Who spoke and why stands in the predictions and beside them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import decisions, model_files
from pipelines.decisions import Version
from pipelines.errors import NightshiftError
from pipelines.home import Home, write_atomically
from pipelines.ledger import canonical_json, fingerprint
from pipelines.model_inputs import Inputs, model_inputs
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from models.description import Model

FALLBACK = "fallback_"
LINEAGE = ("method", "model_version", "run_id")
Log = Callable[[str], None]


@dataclass(frozen=True)
class ScoreReport:
    """What was written, and who spoke; `message` says why where that is not the champion.

    The method of a fallback begins with `fallback_`.
    """

    model: str
    method: str
    model_version: str
    run_id: str
    rows: int
    path: Path
    is_fallback: bool
    message: str
    predictions: pd.DataFrame


def score(
    settings: Settings,
    model: str,
    as_of: date,
    snapshot: str,
    run_id_inputs: str,
    check: Callable[[pd.DataFrame], None],
    log: Log = print,
) -> ScoreReport:
    """Predict as of a day and write the predictions once `check` has passed.

    `run_id_inputs` names what the build was made of. The same inputs and model give the same bytes. Raises what
    `check` raises, and `NightshiftError` for a snapshot that cannot be scored; nothing is written then.
    """
    inputs = model_inputs(settings, model, as_of, snapshot)
    speaker, why_not = _speaker(Home(settings.home), inputs, settings.seed)
    method = f"{FALLBACK}{speaker.method}" if why_not else speaker.method
    run = fingerprint([run_id_inputs, snapshot, speaker.version, inputs.matures_days])[:10]
    run_id = f"{as_of:%Y%m%d}-{run}"
    predictions = inputs.question.score(speaker, inputs.history)
    lineage = {"model_version": speaker.version, "run_id": run_id}
    # A row's own method, where a rule has overruled the model.
    spoken = (FALLBACK if why_not else "") + predictions.get("method", speaker.method)
    predictions = predictions[[*inputs.description.key, *inputs.description.outputs]]
    predictions = predictions.assign(method=spoken, **lineage)
    check(predictions)
    path = predictions_file(Home(settings.home), model, as_of)
    write_atomically(path, _parquet(predictions))
    if inputs.description.further:
        for table, frame in inputs.question.further(speaker, inputs.history).items():
            beside = predictions_file(Home(settings.home), model, as_of, table)
            write_atomically(beside, _parquet(frame.assign(method=method, **lineage)))
    write_atomically(_speaker_file(path), canonical_json({"method": method, "fallback_reason": why_not}))
    message = f"{len(predictions):,} predictions by {method} {speaker.version}"
    message += "".join(f", {count:,} {name}" for name, count in _others(predictions, method).items())
    message += f"; {why_not}" if why_not else ""
    log(f"{model}: {message}")
    return ScoreReport(
        model=model,
        method=method,
        model_version=speaker.version,
        run_id=run_id,
        rows=len(predictions),
        path=path,
        is_fallback=bool(why_not),
        message=message,
        predictions=predictions,
    )


def predictions_file(home: Home, model: str, as_of: date, table: str = "data") -> Path:
    """Where a night's predictions lie, or another table that the model makes of them."""
    return home.predictions / model / f"as_of={as_of}" / f"{table}.parquet"


def _others(predictions: pd.DataFrame, method: str) -> dict[str, int]:
    """Rows by another method than the model's: a rule has spoken."""
    counts = predictions["method"].value_counts().sort_index()
    return {str(name): int(count) for name, count in counts.items() if name != method}


def fallback_reason(home: Home, model: str, as_of: date) -> str:
    """Why another than the champion spoke; empty when the champion did."""
    path = _speaker_file(predictions_file(home, model, as_of))
    content: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return str(content.get("fallback_reason", ""))


def _speaker(home: Home, inputs: Inputs, seed: int) -> tuple[Model, str]:
    """The champion as of the day, or who speaks for it and why."""
    from models.description import Recipe
    from models.rolling import Rolling

    description, reasons = inputs.description, list[str]()
    known = decisions.known_by(decisions.champions_of(home, description.name), inputs.as_of)
    for version in known:
        try:
            loaded = _loaded(home, version, inputs)
        except Exception as error:  # Whatever is wrong with a model, the night goes on and says so.
            reason = str(error).partition("\n")[0] or type(error).__name__
            reasons.append(f"{version.name}: {reason}")
        else:
            return loaded, f"the champion cannot speak; {'; '.join(reasons)}" if reasons else ""
    if not known:
        # Not whether there is one by now: the night of an earlier day says what it would have said then.
        reasons.append(f"no model was champion as of {inputs.as_of}")
    baseline = Recipe(description.fallback.baseline, {}, seed)
    with Rolling(inputs.question, inputs.history, {baseline.method: baseline}, threads=1) as rolling:
        return rolling.fit(baseline.method, inputs.as_of, inputs.matures_days), "; ".join(reasons)


def _loaded(home: Home, version: Version, inputs: Inputs) -> Model:
    age = (inputs.as_of - date.fromisoformat(version.as_of)).days
    if age > inputs.description.fallback.max_age_days:
        raise NightshiftError(
            f"it was trained {age} days before, at most {inputs.description.fallback.max_age_days} are allowed; "
            "run: nightshift train"
        )
    files = model_files.proven(home.root / version.folder, version.sha256)
    return model_files.load(version.model, inputs.matures_days, files, version.model_version)


def _speaker_file(predictions: Path) -> Path:
    return predictions.with_name("speaker.json")


def _parquet(predictions: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    predictions.to_parquet(buffer, engine="pyarrow", index=False, compression="snappy")
    return buffer.getvalue()
