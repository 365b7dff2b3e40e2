"""Training and scoring at their edges: first night, short history, an earlier day, a damaged MLflow, serving."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from demand_home import day, scored, snapshot, steady

from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.training import train


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


@pytest.mark.parametrize("days", [1, 3, 29, 60])
def test_the_first_night_speaks_through_the_baseline_however_short_the_history(home: Home, days: int) -> None:
    report = scored(home, day(days), snapshot(home, steady(days)))
    assert (report.method, report.is_fallback, report.rows) == ("fallback_weekday_mean", True, 3 * 28)
    assert f"no model was champion as of {day(days)}" in report.message
    assert not (home.mlflow / "mlflow.db").exists(), "a reader makes no database"
    rows = pd.read_parquet(report.path)
    assert (rows["units_mean"] == 2.0).all()
    assert (rows["units_p10"] <= rows["units_p50"]).all()
    assert (rows["units_p50"] <= rows["units_p90"]).all()


def test_a_sku_that_left_the_grid_is_not_scored(home: Home) -> None:
    frame = steady(40)
    has_left = (frame["sku"] == "s001") & (frame["sold_on"] > day(30))
    report = scored(home, day(40), snapshot(home, frame[~has_left]))
    assert set(report.predictions["sku"]) == {"s000", "s002"}


def test_a_short_history_registers_the_baseline_and_an_earlier_day_is_not_told_the_future(home: Home) -> None:
    settings = Settings.load(home=home.root)
    late, early = snapshot(home, steady(60)), snapshot(home, steady(50))
    (first,) = train(settings, day(60), late, ["demand"], log=lambda line: None)
    # Two windows of 28 days and eight weeks before them.
    assert (first.method, first.status) == ("weekday_mean", "promoted")
    assert "weekday_mean without comparison: too little closed history to judge lightgbm" in first.message

    tonight = scored(home, day(60), late)
    assert (tonight.is_fallback, tonight.model_version) == (False, first.model_version)
    before = scored(home, day(50), early)
    assert before.is_fallback
    assert f"no model was champion as of {day(50)}" in before.message

    (older,) = train(settings, day(50), early, ["demand"], log=lambda line: None)
    assert (older.status, older.method) == ("refused", "weekday_mean")
    assert scored(home, day(60), late).model_version == first.model_version

    _serving_gives_what_the_night_gives(settings, home, late)

    # Neither a decision nor the files are there any more: the same version is registered with files again.
    shutil.rmtree(home.mlflow / "artifacts")
    for path in home.decisions.glob("*.json"):
        path.unlink()
    (again,) = train(settings, day(60), late, ["demand"], log=lambda line: None)
    assert (again.status, again.model_version) == ("promoted", first.model_version)
    assert not scored(home, day(60), late).is_fallback

    (home.mlflow / "mlflow.db").write_bytes(b"not a database" * 1000)
    without_mlflow = scored(home, day(60), late)
    assert (without_mlflow.is_fallback, without_mlflow.model_version) == (False, first.model_version)
    with pytest.raises(NightshiftError, match="restore it from a backup"):
        train(settings, day(60), late, ["demand"], log=lambda line: None)


def _serving_gives_what_the_night_gives(settings: Settings, home: Home, name: str) -> None:
    import mlflow
    import numpy as np

    from models.demand.features import pair_features
    from models.demand.panel import Panel

    panel = Panel.from_frame(pd.read_parquet(home.snapshots / name / "feat_sku_day.parquet"))
    last = np.flatnonzero(panel.position == 59)
    features = pair_features(panel, last, np.full(len(last), 5))
    features[["category_1", "category_2", "brand"]] = features[["category_1", "category_2", "brand"]].astype(object)
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    served = mlflow.pyfunc.load_model("models:/demand@champion").predict(features)
    batch = scored(home, day(60), name).predictions.query("horizon_days == 5")
    names = ["units_mean", "units_p10", "units_p50", "units_p90"]
    pd.testing.assert_frame_equal(served[names], batch[names].reset_index(drop=True))


def test_what_cannot_be_learned_from_is_refused_with_what_to_do(home: Home) -> None:
    settings = Settings.load(home=home.root)
    with pytest.raises(UsageError, match="no model is called carts; there is demand, returns"):
        train(settings, day(60), "any", ["carts"])
    empty = snapshot(home, steady(2).iloc[:0])
    with pytest.raises(NightshiftError, match="holds no sales history"):
        scored(home, day(2), empty)
    with pytest.raises(NightshiftError, match=f"ends on {day(40)}, not on {day(41)}"):
        scored(home, day(41), snapshot(home, steady(40)))
