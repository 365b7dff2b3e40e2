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
    frame = features_of(np.full((skus, days), 2.0))
    attribute = np.where(frame["sku"] == f"s{skus - 1:03d}", None, "c")
    return frame.assign(**dict.fromkeys(("category_1", "category_2", "brand"), attribute))


def noisy(days: int, skus: int = 3) -> pd.DataFrame:
    """`steady` with other units, drawn anew for each length, so that models of different lengths differ."""
    frame = steady(days, skus)
    return frame.assign(units=np.random.default_rng(days).poisson(2, len(frame)).astype(float))


def features_of(units: np.ndarray) -> pd.DataFrame:
    """`feat_sku_day` for units of shape (SKU, day), every day observed."""
    skus, days = units.shape
    return pd.DataFrame(
        {
            "sku": np.repeat([f"s{n:03d}" for n in range(skus)], days),
            "location_id": "main",
            "sold_on": np.tile(pd.date_range(FIRST, periods=days).date, skus),
            "units": units.reshape(-1),
            "is_observed": True,
            "is_sold_out": False,
            "is_active": True,
            "unit_price": 5.0,
            "category_1": "c",
            "category_2": "d",
            "brand": "b",
            "age_days": np.tile(np.arange(days), skus),
        }
    )


def promotions_of(rows: list[tuple[str, date, date, float]]) -> pd.DataFrame:
    """`feat_sku_promotion_day` of SKU, day, day of announcement and discount."""
    return pd.DataFrame(rows, columns=["sku", "promoted_on", "announced_on", "discount_pct"])


def calendar_of(first: date, days: int, closed: frozenset[date] = frozenset()) -> pd.DataFrame:
    """`feat_calendar_day` of the location `main` of a British store."""
    dates = [first + timedelta(days=n) for n in range(days)]
    is_open = [day not in closed for day in dates]
    return pd.DataFrame(
        {
            "calendar_on": dates,
            "location_id": "main",
            "is_location_open": is_open,
            "event": None,
            "store_country": "GB",
        }
    )


def supply_of(frame: pd.DataFrame) -> pd.DataFrame:
    """`feat_sku_supply` of the SKUs of a frame: ten in stock, a week of lead time, bought at 2 and sold at 5."""
    keys = frame[["sku", "location_id"]].drop_duplicates(ignore_index=True)
    figures = {
        "units_on_hand": 10.0,
        "units_on_order": 0.0,
        "lead_time_days": 7.0,
        "pack_size": 1.0,
        "min_order_quantity": 1.0,
        "unit_cost": 2.0,
        "net_unit_price": 5.0,
        "review_days": 7.0,
        "usual_lead_time_days": 14.0,
        "holding_cost_pct": 0.25,
        "stockout_cost_pct": 1.0,
        "order_cost": 5.0,
        "service_pct": 0.95,
        "fill_pct": np.nan,
    }
    return keys.assign(currency="GBP", **figures)


def snapshot(home: Home, frame: pd.DataFrame) -> str:
    """Put a frame where a build would, with nothing planned, and return the snapshot's name."""
    folder = home.snapshots / "written"
    folder.mkdir()
    frame.to_parquet(folder / "feat_sku_day.parquet", index=False)
    promotions_of([]).to_parquet(folder / "feat_sku_promotion_day.parquet", index=False)
    calendar_of(FIRST, 1).to_parquet(folder / "feat_calendar_day.parquet", index=False)
    supply_of(frame).to_parquet(folder / "feat_sku_supply.parquet", index=False)
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
