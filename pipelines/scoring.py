"""From the champion to predictions: load it by alias, prove its files, forecast, check, write.

A night never goes without a forecast and never trusts a doubtful model: whatever keeps the champion from speaking,
the baseline speaks instead, under its own name.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import NightshiftError
from pipelines.home import Home, write_atomically
from pipelines.ledger import fingerprint
from pipelines.model_inputs import demand_panel
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from models.demand.model import DemandModel
    from models.demand.panel import Panel

DEMAND = "demand"
COLUMNS = (
    "sku",
    "location_id",
    "forecast_date",
    "horizon_days",
    "units_mean",
    "units_p10",
    "units_p50",
    "units_p90",
    "method",
    "model_version",
    "run_id",
)
Log = Callable[[str], None]


@dataclass(frozen=True)
class ScoreReport:
    """What was written, and who spoke; `message` says why where that is not the champion."""

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
    as_of: date,
    snapshot: str,
    run_id_inputs: str,
    check: Callable[[pd.DataFrame], None],
    log: Log = print,
) -> ScoreReport:
    """Forecast days 1..horizon after `as_of` and write them once `check` has passed.

    `run_id_inputs` names what the build was made of. The same inputs and model give the same bytes. Raises what
    `check` raises, and `NightshiftError` for a snapshot that cannot be scored; nothing is written then.
    """
    panel = demand_panel(settings, as_of, snapshot)
    model, why_not = _speaker(settings, as_of, panel)
    run = fingerprint([run_id_inputs, snapshot, model.version, settings.horizon_days])[:10]
    predictions = _predictions(model, panel, settings.horizon_days, f"{as_of:%Y%m%d}-{run}")
    check(predictions)
    path = Home(settings.home).predictions / DEMAND / f"as_of={as_of}" / "data.parquet"
    write_atomically(path, _parquet(predictions))
    message = f"{len(predictions):,} forecasts by {model.method} {model.version}"
    message += f", a fallback: {why_not}" if why_not else ""
    log(f"{DEMAND}: {message}")
    return ScoreReport(
        model=DEMAND,
        method=model.method,
        model_version=model.version,
        run_id=f"{as_of:%Y%m%d}-{run}",
        rows=len(predictions),
        path=path,
        is_fallback=bool(why_not),
        message=message,
        predictions=predictions,
    )


def _speaker(settings: Settings, as_of: date, panel: Panel) -> tuple[DemandModel, str]:
    """The champion, or the baseline and the reason why the champion does not speak."""
    from models.demand.development import baseline_model

    try:
        return _champion(settings, as_of), ""
    except Exception as error:  # Whatever is wrong with MLflow or the model, the night goes on and says so.
        reason = str(error).partition("\n")[0] or type(error).__name__
        return baseline_model(panel, as_of, settings.horizon_days), reason


def _champion(settings: Settings, as_of: date) -> DemandModel:
    from models.demand.model import DemandModel
    from pipelines.registry import Registry, has_database

    if not has_database(settings):
        raise NightshiftError("no model was trained yet")
    registry = Registry(settings, DEMAND)
    version = registry.champion(as_of)
    if version is None:
        raise NightshiftError(f"no model was champion as of {as_of}")
    model = DemandModel.from_files(registry.verified_files(version))
    if model.version != version.tags["model_version"]:
        raise NightshiftError(f"version {version.version} is not the model it was registered as")
    return model


def _predictions(model: DemandModel, panel: Panel, horizon_days: int, run_id: str) -> pd.DataFrame:
    from models.demand.model import forecast

    predictions = forecast(model, panel, horizon_days)
    predictions["forecast_date"] = predictions["forecast_date"].dt.date
    predictions["horizon_days"] = predictions["horizon_days"].astype("int32")
    return predictions.assign(method=model.method, model_version=model.version, run_id=run_id)[list(COLUMNS)]


def _parquet(predictions: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    predictions.to_parquet(buffer, engine="pyarrow", index=False, compression="snappy")
    return buffer.getvalue()
