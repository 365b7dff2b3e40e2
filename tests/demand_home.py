"""Feature snapshots of plain sales, and champions put in their place without MLflow."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from models.demand.question import Question
from models.description import Recipe
from models.rolling import Rolling
from pipelines import decisions, ledger, model_files
from pipelines.decisions import Decision, Version
from pipelines.home import Home
from pipelines.scoring import ScoreReport, score
from pipelines.settings import Settings

FIRST = date(2024, 1, 1)
HORIZON_DAYS = 28


def mlflow_client(settings: Settings) -> Any:
    """A client of the home's MLflow, whatever registry this process has been told of before."""
    import mlflow

    return mlflow.MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)


def day(number: int) -> date:
    """The last day of a history of this many days."""
    return FIRST + timedelta(days=number - 1)


def steady(days: int, skus: int = 3) -> pd.DataFrame:
    """`feat_sku_day` of SKUs that sell two units every day, the last of them without catalog attributes."""
    grid = pd.MultiIndex.from_product([[f"s{n}" for n in range(skus)], range(days)], names=["sku", "n"])
    frame = grid.to_frame(index=False)
    seen = {size: np.minimum(frame["n"] + 1, size) for size in (7, 28, 91)}
    attribute = np.where(frame["sku"] == f"s{skus - 1}", None, "c")
    columns: dict[str, object] = {
        "location_id": "main",
        "sold_on": [FIRST + timedelta(days=n) for n in frame["n"]],
        "is_observed": True,
        "units": 2.0,
        "unit_price": 5.0,
        "age_days": frame["n"],
        "days_since_sale": 0,
        **{f"units_{size}d": 2.0 * count for size, count in seen.items()},
        **{f"observed_days_{size}d": count for size, count in seen.items()},
        **{f"sale_days_{size}d": seen[size] for size in (28, 91)},
        "same_weekday_units_8w": 2.0 * np.minimum(frame["n"] // 7 + 1, 8),
        "same_weekday_days_8w": np.minimum(frame["n"] // 7 + 1, 8),
        **dict.fromkeys(("category_1", "category_2", "brand"), attribute),
    }
    return frame.assign(**columns).drop(columns="n")


def noisy(days: int, skus: int = 3) -> pd.DataFrame:
    """`steady` with other units, drawn anew for each length, so that models of different lengths differ."""
    frame = steady(days, skus)
    return frame.assign(units=np.random.default_rng(days).poisson(2, len(frame)).astype(float))


def features_of(units: np.ndarray) -> pd.DataFrame:
    """`feat_sku_day` for units of shape (SKU, day), every day observed."""
    skus, days = units.shape
    padded = np.concatenate([np.zeros((skus, 91)), units], axis=1).cumsum(axis=1)
    zero = np.zeros((skus, 1))
    total = np.concatenate([zero, padded], axis=1)
    sold = np.concatenate([zero, np.concatenate([np.zeros((skus, 91)), units > 0], axis=1).cumsum(axis=1)], axis=1)
    day = np.arange(days)
    end = day + 92
    columns: dict[str, np.ndarray] = {}
    for size in (7, 28, 91):
        columns[f"units_{size}d"] = total[:, end] - total[:, end - size]
        columns[f"observed_days_{size}d"] = np.tile(np.minimum(day + 1, size), (skus, 1))
        if size > 7:
            columns[f"sale_days_{size}d"] = sold[:, end] - sold[:, end - size]
    weekly = np.zeros_like(units)
    for back in range(8):
        weekly[:, 7 * back :] += units[:, : days - 7 * back]
    columns["same_weekday_units_8w"] = weekly
    columns["same_weekday_days_8w"] = np.tile(np.minimum(day // 7 + 1, 8), (skus, 1))
    last = np.maximum.accumulate(np.where(units > 0, day, -1), axis=1)
    columns["days_since_sale"] = np.where(last >= 0, day - last, np.nan)
    columns["units"] = units
    columns["age_days"] = np.tile(day, (skus, 1))
    frame = pd.DataFrame({name: values.reshape(-1) for name, values in columns.items()})
    frame["sku"] = np.repeat([f"s{n:03d}" for n in range(skus)], days)
    frame["sold_on"] = np.tile(pd.date_range(FIRST, periods=days).date, skus)
    return frame.assign(location_id="main", is_observed=True, unit_price=5.0, category_1="c", category_2="d", brand="b")


def snapshot(home: Home, frame: pd.DataFrame) -> str:
    """Put a frame where a build would, and return the snapshot's name."""
    folder = home.snapshots / "written"
    folder.mkdir()
    frame.to_parquet(folder / "feat_sku_day.parquet", index=False)
    name = ledger.folder_fingerprint(folder)
    folder.rename(home.snapshots / name)
    return name


def crown(home: Home, frame: pd.DataFrame, number: int, recipe: Recipe, days: int) -> Version:
    """Learn a recipe on a history of so many days and make it champion, its files where MLflow would have them."""
    question = Question(HORIZON_DAYS)
    history = question.read({"feat_sku_day": frame})
    with Rolling(question, history, {"it": recipe}, threads=1) as rolling:
        model = rolling.fit("it", day(days), HORIZON_DAYS)
    folder = home.mlflow / "artifacts" / "models" / f"m-{number}" / "artifacts"
    folder.mkdir(parents=True)
    for name, content in model.files().items():
        (folder / name).write_bytes(content)
    version = Version(
        model="demand",
        registered_version=str(number),
        model_version=model.version,
        method=model.method,
        as_of=str(day(days)),
        snapshot_hash="planted",
        recipe=recipe.text,
        folder=str(folder.relative_to(home.root)),
        sha256=model_files.digests(model.files()),
        run_id=f"run-{number}",
    )
    decisions.decide(home, Decision(decisions.PROMOTION, "test", version, "planted", {}))
    return version


def scored(home: Home, as_of: date, name: str) -> ScoreReport:
    """Score a snapshot, without expectations."""
    settings = Settings.load(home=home.root)
    return score(settings, "demand", as_of, name, "inputs", check=lambda frame: None, log=lambda line: None)
