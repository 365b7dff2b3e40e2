"""The demand model against what a good practitioner would put together, on one split, in one table.

    .venv/bin/pytest --campaigns tests/benchmarks/test_demand_accuracy.py

needs the dependency group `benchmark`. Figures go to the terminal and to `var/benchmarks/accuracy-<store>.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import demand_stores
import duckdb
import numpy as np
import pandas as pd
import pytest
from demand_peers import HORIZON_DAYS, LEVELS, Said, asked, every_peer

from models.demand.description import DESCRIPTION
from models.demand.judging import Cases, judged
from models.demand.panel import Panel, day_number
from models.demand.question import Question
from models.rolling import Rolling
from models.splits import ClosedWindow
from models.trial import Trial

OURS = "nightshift"
SCALE, DAYS = 0.3, 540
# Of a simulated history, the last evening from which all that could be known of four weeks is on record.
KNOWABLE = demand_stores.FIRST_DAY + timedelta(days=28 * 18 - 1)


@dataclass(frozen=True)
class Benchmark:
    """A store, the evenings from which it is forecast, and the fewest days with a sale of a SKU that counts."""

    name: str
    home: Callable[[], Path]
    origins: tuple[date, ...]
    fewest_sales: int = 0
    is_simulated: bool = False


def _simulated(seed: int) -> Benchmark:
    home = partial(demand_stores.simulated, seed, SCALE, DAYS)
    return Benchmark(f"simulated, seed {seed}", home, (KNOWABLE,), is_simulated=True)


RETAIL_ORIGINS = tuple(date(2011, 12, 9) - timedelta(days=HORIZON_DAYS * n) for n in (3, 2, 1))
STORES = [
    *(_simulated(seed) for seed in (1, 2, 3)),
    Benchmark("Online Retail", demand_stores.online_retail, RETAIL_ORIGINS, fewest_sales=60),
    Benchmark("Complete Journey", demand_stores.grocer, (date(2017, 12, 31) - timedelta(days=HORIZON_DAYS),)),
]


@pytest.mark.campaign
@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
def test_the_model_against_its_peers(store: Benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mlforecast", reason="needs the dependency group benchmark")
    home = store.home()
    question, panel = _read(home)
    rows: dict[str, list[pd.DataFrame]] = {}
    knowable: dict[str, list[tuple[float, float, float]]] = {}
    for origin in store.origins:
        cases, said = _forecasts(question, panel, store, origin)
        for name, (frame, forecast) in said.items():
            rows.setdefault(name, []).append(frame)
            if store.is_simulated:
                knowable.setdefault(name, []).append(_against_truth(home, cases, forecast))
    trial = Trial(DESCRIPTION, {name: pd.concat(frames, ignore_index=True) for name, frames in rows.items()})
    figures = {name: _figures(trial, name) for name in trial.judged}
    for name, errors in knowable.items():
        figures[name] |= {
            "knowable_mse": np.mean([e[0] for e in errors]),
            "knowable_bias": np.mean([e[1] for e in errors]),
        }
        figures[name]["knowable_bias_often_out"] = float(np.mean([e[2] for e in errors]))
    demand_stores.KEPT.mkdir(parents=True, exist_ok=True)
    place = demand_stores.KEPT / f"accuracy-{store.name}.json"
    place.write_text(
        json.dumps({n: {k: round(float(v), 5) for k, v in f.items()} for n, f in figures.items()}, indent=1)
    )
    lost = f"; {_lost(home)}" if store.is_simulated else ""
    with capsys.disabled():
        print(f"\n{store.name}, {trial.cases():,} cases{lost}\n{pd.DataFrame(figures).T.round(4).to_string()}")
    assert np.isfinite(figures[OURS]["rmsse"])


@dataclass(frozen=True)
class Asking:
    """The series that were forecast and, by series and day, whether the day counts."""

    series: np.ndarray
    origin: date
    panel: Panel


def _read(home: Path) -> tuple[Question, Panel]:
    folder, question = demand_stores.feature_tables(home), Question(HORIZON_DAYS)
    tables = {name: pd.read_parquet(folder / f"{name}.parquet", dtype_backend="pyarrow") for name in DESCRIPTION.tables}
    return question, question.read(tables)


def _forecasts(
    question: Question, panel: Panel, store: Benchmark, origin: date
) -> tuple[Asking, dict[str, tuple[pd.DataFrame, np.ndarray]]]:
    """Each candidate's judged cases and its mean by series and day."""
    known = panel.until(origin)
    cases = _counted(question.cases(panel, ClosedWindow(origin, HORIZON_DAYS)), panel, store.fewest_sales)
    series = np.unique(cases.series)
    at = np.searchsorted(series, cases.series)
    ahead = cases.features["horizon_days"].to_numpy(int) - 1
    recipe = question.recipe(7)
    with Rolling(question, panel, {OURS: recipe}, threads=2) as rolling:
        model = rolling.fit(OURS, origin, HORIZON_DAYS)
    night = question.score(model, known)
    ours = night["units_mean"].to_numpy().reshape(-1, HORIZON_DAYS)[np.searchsorted(_alive(known), series)]
    said = {OURS: (question.judge(model, cases), ours)}
    for name, forecast in _peers(known, series):
        mean, quantiles = forecast.mean[at, ahead], {q: v[at, ahead] for q, v in forecast.quantiles.items()}
        quantiles = quantiles or {level: np.full(len(mean), np.nan) for level in LEVELS}
        covered = {level: np.where(np.isnan(value), np.nan, cases.units <= value) for level, value in quantiles.items()}
        said[name] = (judged(cases, mean, quantiles, covered), forecast.mean)
    return Asking(series, origin, panel), said


def _peers(known: Panel, series: np.ndarray) -> Iterator[tuple[str, Said]]:
    question = asked(known, series)
    for name, speak in every_peer().items():
        found = speak(question)
        yield from found.items() if isinstance(found, dict) else [(name, found)]


def _alive(panel: Panel) -> np.ndarray:
    return np.unique(panel.series[panel.day == panel.day.max()])


def _counted(cases: Cases, panel: Panel, fewest: int) -> Cases:
    sales = np.bincount(panel.series, weights=panel.is_observed & (panel.units > 0), minlength=len(panel.keys))
    keep = sales[cases.series] >= fewest
    return replace(
        cases,
        features=cases.features[keep].reset_index(drop=True),
        units=cases.units[keep],
        series=cases.series[keep],
        scale=cases.scale[keep],
    )


def _figures(trial: Trial, name: str) -> dict[str, float]:
    metrics = {metric.name: metric for metric in (*DESCRIPTION.metrics, DESCRIPTION.money)}
    figures = {key: trial.value(name, metric) for key, metric in metrics.items()}
    interval = trial.figure(name, metrics["rmsse"])
    gain = trial.gain(OURS, name, metrics["rmsse"])
    figures |= {"rmsse_low": interval.low, "rmsse_high": interval.high}
    figures |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    figures["weighted_rmsse"] = _weighted(trial.judged[name])
    figures["pinball"] = float(np.mean([figures.pop(f"pinball_p{round(level * 100)}") for level in LEVELS]))
    for level in (0.1, 0.9):
        frame, key = trial.judged[name], f"p{round(level * 100)}"
        figures[f"covers_{key}"] = level + float(frame[f"{key}.gap"].mean(skipna=False))
        if name == OURS:
            by_class = frame.groupby("volume")[f"{key}.gap"].mean()
            figures[f"worst_gap_{key}"] = float(by_class.abs().max())
    return figures


def _weighted(frame: pd.DataFrame) -> float:
    """RMSSE where a series counts as much as its revenue of the window."""
    by = frame.groupby("series")
    errors = np.sqrt(by["rmsse.part"].sum() / by["rmsse.whole"].sum().replace(0, np.nan))
    weight = by["revenue_wape.whole"].sum().where(errors.notna(), 0.0)
    return float((errors.fillna(0.0) * weight).sum() / weight.sum())


def _lost(home: Path) -> str:
    """What `mart_lost_sales` says of its days, and the truth."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        said, so = connection.execute(
            "select sum(units_lost), sum(true_lost_units) from marts.mart_lost_sales "
            f"inner join read_parquet('{home}/truth/sku_day.parquet') using (sku, sold_on)"
        ).fetchall()[0]
    return f"{said:,.0f} units estimated lost, {so:,} truly"


def _against_truth(home: Path, asking: Asking, forecast: np.ndarray) -> tuple[float, float, float]:
    """Mean squared error and bias against what could be known of demand; the bias of SKUs often out of stock."""
    truth = pd.read_parquet(home / "truth" / "forecast.parquet")
    truth = truth[pd.to_datetime(truth["as_of"]) == pd.Timestamp(asking.origin)]
    wide = truth.pivot(index="sku", columns="forecast_date", values="knowable_demand_mean")
    panel = asking.panel
    expected = wide.reindex(panel.keys["sku"].to_numpy()[asking.series]).to_numpy()
    recent = (panel.day <= day_number(asking.origin)) & (panel.day > day_number(asking.origin) - 91)
    seen, days = (
        np.bincount(panel.series[recent], weights=w, minlength=len(panel.keys))
        for w in (panel.is_observed[recent], np.ones(recent.sum()))
    )
    is_often_out = (seen < 0.8 * days)[asking.series]
    error, is_known = forecast - expected, ~np.isnan(expected)
    often = is_known & is_often_out[:, None]
    return (
        float((error[is_known] ** 2).mean()),
        float(error[is_known].sum() / expected[is_known].sum()),
        float(error[often].sum() / expected[often].sum()),
    )
