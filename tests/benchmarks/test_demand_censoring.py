"""What a forecast loses where the shelf is often empty: days without stock left out, or taken for days of no demand.

    .venv/bin/pytest --campaigns tests/benchmarks/test_demand_censoring.py

A simulated store is sold again from too little stock: its true demand meets shelves that are filled once in four weeks,
with what 0.7 of that time needs. So several hundred SKUs lack stock on a fifth of their days and more, instead of ten.
Bias is that of their forecasts of 28 days against what could be known of their demand, over all origins; figures go to
the terminal and to `var/benchmarks/censoring-<seed>.json`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import demand_stores
import numpy as np
import pandas as pd
import pytest
from test_demand_accuracy import DAYS, KNOWABLE, SCALE, _alive, _read

from models.demand.baselines import MOVING_AVERAGE
from models.demand.dispersion import UNKNOWN
from models.demand.forecast import forecast
from models.demand.model import LIGHTGBM, DemandModel
from models.demand.panel import Panel, day_number
from models.demand.question import Question

CYCLE_DAYS, FILLED_SHARE = 28, 0.7
OFTEN_OUT, RECENT_DAYS = 0.2, 91
_SILENT_UNITS = 6.0
ORIGINS = tuple(KNOWABLE - timedelta(days=28 * n) for n in (3, 2, 1, 0))


def scarce(panel: Panel, demand: np.ndarray) -> Panel:
    """The store with the sales that lean shelves allow; `demand` is the true one by row."""
    first, series = int(panel.day.min()), len(panel.keys)
    column = panel.day - first
    wanted = np.zeros((series, int(column.max()) + 1))
    wanted[panel.series, column] = demand
    days = np.bincount(panel.series, minlength=series)
    full = np.maximum(np.round(wanted.sum(axis=1) / days * CYCLE_DAYS * FILLED_SHARE), 1.0)
    stock, sold, left = full.copy(), np.zeros_like(wanted), np.zeros_like(wanted)
    for number in range(wanted.shape[1]):
        is_filled = (np.arange(series) + number) % CYCLE_DAYS == 0
        stock = np.where(is_filled, full, stock)
        sold[:, number] = np.minimum(stock, wanted[:, number])
        left[:, number] = stock = stock - sold[:, number]
    units, is_empty = sold[panel.series, column], left[panel.series, column] == 0
    # As the warehouse has it: nothing left at the close, and nothing sold or something.
    is_observed = _open_days(panel)[column] & ~(is_empty & (units == 0))
    return replace(panel, units=units, is_observed=is_observed, is_sold_out=is_empty & (units > 0))


def ignoring(panel: Panel) -> Panel:
    """The same sales, days without stock taken for days on which nobody wanted anything."""
    is_open = _open_days(panel)[panel.day - int(panel.day.min())]
    return replace(panel, is_observed=is_open, is_sold_out=np.zeros(len(is_open), bool))


def from_silence(panel: Panel) -> Panel:
    """Without a feed: days of a run without a sale, in which more than six units were to be expected, are not observed.

    Of Poisson demand such a run has a chance of 0.25 % at most. Expected is what is usual on other days, those of eight
    weeks ago counting half.
    """
    column, kept = panel.day - int(panel.day.min()), 0.5 ** (1 / 56)
    units, there = (np.zeros((len(panel.keys), int(column.max()) + 1)) for _ in range(2))
    units[panel.series, column], there[panel.series, column] = panel.units, panel.is_observed
    own, usual, expected, silent = (np.zeros(len(units)) for _ in range(4))
    is_out = np.zeros(units.shape, bool)
    for number in range(units.shape[1]):
        is_sold = units[:, number] > 0
        expected = np.where(is_sold, 0.0, expected + there[:, number] * own / np.maximum(usual, 1.0))
        silent = np.where(is_sold, 0.0, silent + 1)
        for series in np.flatnonzero(expected > _SILENT_UNITS):
            is_out[series, number + 1 - int(silent[series]) : number + 1] = True
        own, usual = kept * own + units[:, number], kept * usual + there[:, number] * (expected <= _SILENT_UNITS)
    return replace(panel, is_observed=panel.is_observed & ~is_out[panel.series, column])


def _open_days(panel: Panel) -> np.ndarray:
    """By day since the first, whether anything was observed on it."""
    column = panel.day - int(panel.day.min())
    return np.bincount(column, weights=panel.is_observed) > 0


def _by_row(home: Path, panel: Panel) -> np.ndarray:
    truth = pd.read_parquet(home / "truth" / "sku_day.parquet", columns=["sku", "sold_on", "true_demand_units"])
    wide = truth.pivot(index="sku", columns="sold_on", values="true_demand_units")
    wide.columns = pd.to_datetime(wide.columns).to_numpy("datetime64[D]").astype(np.int64)
    rows = wide.index.get_indexer(panel.keys["sku"])[panel.series]
    found = wide.to_numpy()[rows, wide.columns.get_indexer(panel.day)]
    return np.asarray(np.where(rows >= 0, np.nan_to_num(found), 0.0), np.float64)


def _knowable(home: Path, panel: Panel, origin: date) -> np.ndarray:
    """Demand that could be expected of the 28 days, by series of the whole panel."""
    truth = pd.read_parquet(home / "truth" / "forecast.parquet")
    truth = truth[pd.to_datetime(truth["as_of"]) == pd.Timestamp(origin)]
    return truth.groupby("sku")["knowable_demand_mean"].sum().reindex(panel.keys["sku"]).to_numpy(np.float64)


def _is_often_out(panel: Panel, origin: date) -> np.ndarray:
    """By series, of the quarter up to the origin."""
    last = day_number(origin)
    recent = (panel.day <= last) & (panel.day > last - RECENT_DAYS)
    is_open = ignoring(panel).is_observed
    seen, there = (
        np.bincount(panel.series[recent], weights=each[recent], minlength=len(panel.keys))
        for each in (panel.is_observed, is_open)
    )
    return np.asarray(there - seen >= OFTEN_OUT * np.maximum(there, 1))


def _said(question: Question, panel: Panel, origin: date) -> dict[str, np.ndarray]:
    """Units of the 28 days by series, NaN for a series that is no longer there."""
    known, said = panel.until(origin), {}
    learned = question.learn(question.recipe(7), panel, origin)
    for method, trees in ((LIGHTGBM, learned), (MOVING_AVERAGE, None)):
        found = forecast(DemandModel(method, UNKNOWN, trees), known, question.horizon_days).mean.sum(axis=1)
        said[method] = np.full(len(panel.keys), np.nan)
        said[method][_alive(known)] = found
    return said


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bias_where_the_shelf_is_often_empty(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    home = demand_stores.simulated(seed, SCALE, DAYS)
    question, panel = _read(home)
    lean = scarce(panel, _by_row(home, panel))
    stores = {"never empty": replace(ignoring(panel), units=_by_row(home, panel)), "left out": lean}
    stores["taken for zero"] = ignoring(lean)
    totals: dict[str, list[float]] = {}
    skus = 0
    for origin in ORIGINS:
        expected, often = _knowable(home, panel, origin), _is_often_out(lean, origin)
        chosen = often & ~np.isnan(expected) & np.isin(np.arange(len(often)), _alive(panel.until(origin)))
        skus += int(chosen.sum())
        totals.setdefault("knowable", []).append(float(expected[chosen].sum()))
        for name, store in stores.items():
            for method, units in _said(question, store, origin).items():
                totals.setdefault(f"{method}, {name}", []).append(float(units[chosen].sum()))
    known = np.array(totals.pop("knowable"))
    figures = {name: {"bias": float(np.sum(units) / known.sum() - 1)} for name, units in totals.items()}
    for name, units in totals.items():
        figures[name] |= {str(on): float(u / k - 1) for on, u, k in zip(ORIGINS, units, known, strict=True)}
    (demand_stores.KEPT / f"censoring-{seed}.json").write_text(json.dumps(figures, indent=1))
    with capsys.disabled():
        table = pd.DataFrame(figures).T.round(3).to_string()
        print(f"\nseed {seed}, {skus / len(ORIGINS):.0f} SKUs often out of stock, {known.sum():,.0f} units\n{table}")
    assert figures[f"{LIGHTGBM}, taken for zero"]["bias"] < figures[f"{LIGHTGBM}, left out"]["bias"]


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_silence_tells_of_a_store_without_a_count_of_stock(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    home = demand_stores.simulated(seed, SCALE, DAYS)
    question, panel = _read(home)
    lean, lines = scarce(panel, _by_row(home, panel)), []
    for shelves, store in (("usual", panel), ("lean", lean)):
        without = ignoring(store)
        for feed, read in (("counted", store), ("not counted", without), ("silence", from_silence(without))):
            figures = [_against_knowable(home, question, read, origin) for origin in ORIGINS[-2:]]
            error, bias = (float(np.mean(each)) for each in zip(*figures, strict=True))
            lines.append(f"{shelves} shelves, {feed}: error² of 28 days {error:.1f}, bias {bias:.3f}")
    with capsys.disabled():
        print(f"\nseed {seed}", *lines, sep="\n")
    (demand_stores.KEPT / f"silence-{seed}.json").write_text(json.dumps(lines, indent=1))
    assert len(lines) == 6


def _against_knowable(home: Path, question: Question, panel: Panel, origin: date) -> tuple[float, float]:
    """Of each SKU's 28 days: mean squared error, and bias of the total."""
    said, expected = _said(question, panel, origin)[LIGHTGBM], _knowable(home, panel, origin)
    known = ~np.isnan(said) & ~np.isnan(expected)
    return float(((said - expected)[known] ** 2).mean()), float(said[known].sum() / expected[known].sum() - 1)
