"""Rolling origins: what they say is what plain arithmetic says, of the past alone, and a kill costs one window."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from demand_home import HORIZON_DAYS, day, features_of, snapshot

from pipelines import backtest, backtest_report
from pipelines.home import Home
from pipelines.settings import Settings

DAYS, SKUS, ORIGINS = 200, 30, 2
AS_OF = day(DAYS)
Logged = list[str]


def _units() -> np.ndarray:
    rng = np.random.default_rng(4)
    weekly = np.array([1.0, 0.6, 0.6, 0.8, 1.2, 2.0, 1.4])[np.arange(DAYS) % 7]
    return rng.poisson(rng.gamma(2, 2, (SKUS, 1)) * weekly).astype(float)


def _report(home: Home, name: str, log: Logged) -> backtest_report.BacktestReport:
    return backtest_report.report(Settings.load(home=home.root), "demand", AS_OF, name, ORIGINS, log.append)


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str, backtest_report.BacktestReport]:
    home = Home.create(tmp_path_factory.mktemp("tested") / "home")
    name = snapshot(home, features_of(_units()))
    return home, name, _report(home, name, [])


def _origin(number: int) -> int:
    """How many days of history lie before a window, newest first."""
    return DAYS - HORIZON_DAYS * number


def test_the_table_holds_what_plain_arithmetic_gives(
    tested: tuple[Home, str, backtest_report.BacktestReport],
) -> None:
    units, table = _units(), pd.read_parquet(tested[2].table)
    absolute, sold, squares = 0.0, 0.0, np.zeros(SKUS)
    for number in range(1, ORIGINS + 1):
        known, known_days = units[:, : _origin(number)], _origin(number)
        window = units[:, known_days : known_days + HORIZON_DAYS]
        # The moving average of four weeks, whole weeks of which every day was observed.
        error = window - known[:, -28:].mean(axis=1, keepdims=True)
        absolute, sold = absolute + np.abs(error).sum(), sold + window.sum()
        first = [int(np.flatnonzero(row)[0]) for row in known]
        naive = np.array([(np.diff(row[at:]) ** 2).mean() for row, at in zip(known, first, strict=True)])
        squares += (error**2).sum(axis=1) / naive
        of_origin = table[(table["origin"] == str(day(known_days))) & (table["slice"] == "all")]
        row = of_origin.query("metric == 'wape' and candidate == 'moving_average'")
        assert row["value"].item() == pytest.approx(np.abs(error).sum() / window.sum())
        assert row["cases"].item() == SKUS * HORIZON_DAYS
    of_all = table.query("origin == 'all' and slice == 'all' and candidate == 'moving_average'").set_index("metric")
    assert of_all.loc["wape", "value"] == pytest.approx(absolute / sold)
    assert of_all.loc["rmsse", "value"] == pytest.approx(np.sqrt(squares / (ORIGINS * HORIZON_DAYS)).mean())
    assert of_all.loc["rmsse", "low"] < of_all.loc["rmsse", "value"] < of_all.loc["rmsse", "high"]
    # A planted week is what the model knows and the moving average does not.
    assert of_all.loc["rmsse", "gain_low"] > 0


def test_every_origin_slice_metric_and_baseline_has_its_row(
    tested: tuple[Home, str, backtest_report.BacktestReport],
) -> None:
    table = pd.read_parquet(tested[2].table)
    assert set(table["origin"]) == {"all", *(str(day(_origin(number))) for number in (1, 2))}
    assert set(table["candidate"]) == {"lightgbm", "seasonal_naive", "weekday_mean", "moving_average"}
    assert {"rmsse", "wape", "bias", "revenue_wape", "p10_gap", "p90_gap"} <= set(table["metric"])
    assert {"all", "volume fast"} <= set(table["slice"])
    assert not table.duplicated(["origin", "slice", "metric", "candidate"]).any()
    page = tested[2].page.read_text()
    assert page.count("<svg") == 2
    assert "://" not in page.replace("http://www.w3.org/", "")


def test_a_window_knows_nothing_of_what_comes_after_it(
    tested: tuple[Home, str, backtest_report.BacktestReport], tmp_path: Path
) -> None:
    units, older = _units(), _origin(1)
    units[:, older:] = units[:, older:] * 7 + 3
    home = Home.create(tmp_path / "home")
    _report(home, snapshot(home, features_of(units)), [])

    def judged(home: Home) -> dict[str, pd.DataFrame]:
        origin = day(_origin(2))
        return {path.name: pd.read_parquet(path) for path in home.backtests.rglob(f"{origin}-*.parquet")}

    one, other = judged(tested[0]), judged(home)
    assert len(one) == 4
    for name, frame in one.items():
        pd.testing.assert_frame_equal(frame, other[name])


def test_a_backtest_that_was_killed_goes_on_and_gives_the_same_bytes(
    tested: tuple[Home, str, backtest_report.BacktestReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.create(tmp_path / "home")
    name = snapshot(home, features_of(_units()))
    write, written = backtest.write_atomically, []

    def killed(path: Path, content: bytes) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        write(path, content)

    monkeypatch.setattr(backtest, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        _report(home, name, [])
    monkeypatch.undo()
    log: Logged = []
    again = _report(home, name, log)
    first = AS_OF - timedelta(days=HORIZON_DAYS - 1)
    assert log[0] == f"demand: origin 1 of 2, {first} to {AS_OF}, 4 of 4 candidates found"
    assert log[1].endswith("1 of 4 candidates found")
    for one, other in ((again.table, tested[2].table), (again.page, tested[2].page)):
        assert one.read_bytes() == other.read_bytes()
