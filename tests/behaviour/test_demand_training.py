"""Training and scoring as a night does them: honest about time, repeatable, and never silent about a fallback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from demand_home import FIRST, day, features_of, mlflow_client, scored
from demand_home import snapshot as put

from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.scoring import ScoreReport, score
from pipelines.settings import Settings
from pipelines.training import train

DAYS, SKUS = 200, 60
AS_OF = day(DAYS)
WEEK = np.array([1.0, 0.6, 0.6, 0.8, 1.2, 2.0, 1.4])


def _units() -> np.ndarray:
    rng = np.random.default_rng(0)
    # Paydays, which no mean of past weekdays can know of.
    is_payday = pd.date_range(FIRST, periods=DAYS).day.isin([25, 26, 27, 28])
    season = WEEK[np.arange(DAYS) % 7] * np.where(is_payday, 4.0, 1.0)
    return rng.poisson(rng.gamma(2, 2, (SKUS, 1)) * season).astype(float)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


def _settings(home: Home) -> Settings:
    return Settings.load(home=home.root)


def _silent(line: str) -> None: ...


def test_a_planted_season_is_learned_and_repeated_training_registers_nothing_new(home: Home) -> None:
    snapshot = put(home, features_of(_units()))
    (first,) = train(_settings(home), AS_OF, snapshot, ["demand"], log=_silent)
    assert (first.method, first.status) == ("lightgbm", "promoted")
    (again,) = train(_settings(home), AS_OF, snapshot, ["demand"], log=_silent)
    assert (again.status, again.model_version) == ("unchanged", first.model_version)
    client = mlflow_client(_settings(home))
    (version,) = client.search_model_versions("name = 'demand'")
    assert client.get_model_version_by_alias("demand", "champion").version == version.version
    assert version.tags["snapshot_hash"] == snapshot
    (event,) = [json.loads(path.read_text()) for path in home.decisions.glob("*.json")]
    assert (event["model_version"], event["previous_model_version"]) == (first.model_version, None)


def test_order_of_rows_and_columns_from_the_future_change_nothing(home: Home, tmp_path: Path) -> None:
    frame = features_of(_units())
    (plain,) = train(_settings(home), AS_OF, put(home, frame), ["demand"], log=_silent)
    other = Home.create(tmp_path / "other")
    # What will be sold in a week would be the best feature there is, if a model could see it.
    frame["future_units"] = frame.groupby("sku")["units"].shift(-7)
    shuffled = frame.sample(frac=1, random_state=1)
    (planted,) = train(_settings(other), AS_OF, put(other, shuffled), ["demand"], log=_silent)
    assert planted.model_version == plain.model_version
    assert planted.metrics == plain.metrics


def test_on_noise_a_baseline_is_champion(home: Home) -> None:
    # Rare bulk orders, variance m + 20 m^2, of a dozen SKUs: no forecast is better than another beyond noise.
    units = np.random.default_rng(0).negative_binomial(0.05, 0.05 / 1.05, (12, DAYS)).astype(float)
    (report,) = train(_settings(home), AS_OF, put(home, features_of(units)), ["demand"], log=_silent)
    assert (report.method, report.status) == ("moving_average", "promoted")
    assert "lightgbm: " in report.message


@pytest.fixture(scope="module")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str]:
    home = Home.create(tmp_path_factory.mktemp("trained") / "home")
    snapshot = put(home, features_of(_units()))
    train(_settings(home), AS_OF, snapshot, ["demand"], log=_silent)
    return home, snapshot


@pytest.fixture
def trained(trained_home: tuple[Home, str]) -> Iterator[tuple[Home, str]]:
    """A home with a champion; what a test damages is mended after it."""
    home, _ = trained_home
    whole = {
        path: path.read_bytes()
        for path in home.mlflow.rglob("*")
        if path.is_file() and path.name in ("booster.txt", "model.json")
    }
    yield trained_home
    for path, content in whole.items():
        path.write_bytes(content)
    shutil.rmtree(home.predictions)
    home.predictions.mkdir()


def test_scoring_twice_gives_the_same_bytes_and_names_who_spoke(trained: tuple[Home, str]) -> None:
    home, snapshot = trained
    reports, contents = [], []
    for _ in range(2):
        reports.append(
            score(_settings(home), "demand", AS_OF, snapshot, "inputs", check=lambda frame: None, log=_silent)
        )
        contents.append(reports[-1].path.read_bytes())
    assert contents[0] == contents[1]
    assert (reports[0].method, reports[0].is_fallback, reports[0].rows) == ("lightgbm", False, SKUS * 28)
    rows = pd.read_parquet(reports[0].path)
    assert set(rows["horizon_days"]) == set(range(1, 29))
    assert (rows["units_mean"] > 0).all()
    # The planted week: Saturdays sell more than three times what Tuesdays do (2.0 against 0.6).
    on = pd.to_datetime(rows["forecast_date"])
    ordinary = rows[on.dt.day < 25].groupby(on.dt.dayofweek)["units_mean"].mean()
    assert ordinary[5] / ordinary[1] == pytest.approx(2.0 / 0.6, rel=0.25)


def _scored(home: Home, snapshot: str) -> ScoreReport:
    return scored(home, AS_OF, snapshot)


def _artifacts(home: Home, name: str) -> list[Path]:
    return [path for path in home.mlflow.rglob(name) if path.is_file()]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))


def _remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("name", ["booster.txt", "model.json"])
@pytest.mark.parametrize("damage", [_truncate, _flip, _remove])
def test_a_damaged_champion_never_speaks(trained: tuple[Home, str], name: str, damage: object) -> None:
    home, snapshot = trained
    for path in _artifacts(home, name):
        damage(path)  # type: ignore[operator]
    report = _scored(home, snapshot)
    assert (report.method, report.is_fallback) == ("fallback_weekday_mean", True)
    assert report.message
    assert set(pd.read_parquet(report.path)["method"]) == {"fallback_weekday_mean"}


def test_predictions_that_fail_their_check_are_not_written(trained: tuple[Home, str]) -> None:
    home, snapshot = trained

    def refuse(frame: pd.DataFrame) -> None:
        raise ValueError("not like this")

    with pytest.raises(ValueError, match="not like this"):
        score(_settings(home), "demand", AS_OF, snapshot, "inputs", check=refuse, log=_silent)
    assert list(home.predictions.rglob("*.parquet")) == []


def test_a_damaged_snapshot_is_refused(home: Home) -> None:
    snapshot = put(home, features_of(_units()))
    _flip(home.snapshots / snapshot / "feat_sku_day.parquet")
    with pytest.raises(NightshiftError, match="missing or damaged; make it with: nightshift build"):
        train(_settings(home), AS_OF, snapshot, ["demand"], log=_silent)
