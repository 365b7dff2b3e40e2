"""Totals as sums of the SKUs' forecasts, against totals forecast by themselves and reconciled with them.

    .venv/bin/uv pip install hierarchicalforecast --python .venv/bin/python
    .venv/bin/pytest --campaigns tests/benchmarks/test_demand_totals.py

Store and departments are forecast by AutoETS; MinTrace reconciles those with the SKUs' (Wickramasuriya, Athanasopoulos
and Hyndman 2019, Optimal forecast reconciliation, structural weights). Figures go to the terminal. The library is not
among the locked packages: it was asked once, and not taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import demand_stores
import numpy as np
import pandas as pd
import pytest
from test_demand_accuracy import DAYS, HORIZON_DAYS, KNOWABLE, SCALE, _read

from models.demand.dispersion import UNKNOWN
from models.demand.forecast import Forecast, forecast
from models.demand.model import LIGHTGBM, DemandModel
from models.demand.panel import Panel

STORES = [
    (demand_stores.grocer, date(2017, 10, 8)),
    (demand_stores.grocer, date(2017, 11, 5)),
    (partial(demand_stores.simulated, 4, SCALE, DAYS), KNOWABLE),
    (partial(demand_stores.simulated, 5, SCALE, DAYS), KNOWABLE),
]


@pytest.mark.campaign
@pytest.mark.parametrize(("store", "origin"), STORES)
def test_totals_bottom_up_and_reconciled(
    store: Callable[[], Path], origin: date, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = pytest.importorskip("hierarchicalforecast.methods", reason="hierarchicalforecast is not installed")
    question, panel = _read(store())
    trees = question.learn(question.recipe(7), panel, origin)
    said = forecast(DemandModel(LIGHTGBM, UNKNOWN, trees), panel.until(origin), HORIZON_DAYS)
    adding, sold = _adding(said), _sold(panel, said)
    totals, past = adding[: -len(said.last)] @ sold, int(said.panel.day.max() - panel.day.min()) + 1
    every = np.vstack([_smoothed(totals[:, :past]), said.mean])
    reconciled = methods.MinTrace(method="wls_struct").fit_predict(S=adding, y_hat=every)["mean"]
    actual = totals[:, past : past + HORIZON_DAYS]
    lines = []
    for name, mean in (("sums", adding @ said.mean), ("by themselves", every), ("reconciled", reconciled)):
        error = np.abs(mean[: len(actual)] - actual)
        store_wape, by_department = error[0].sum() / actual[0].sum(), error[1:].sum() / actual[1:].sum()
        lines.append(f"{name}: WAPE of the store {store_wape:.3f}, of its departments {by_department:.3f}")
    with capsys.disabled():
        print(f"\n{origin}", *lines, sep="\n")
    assert np.allclose((adding @ said.mean)[1 : len(actual)].sum(axis=0), said.mean.sum(axis=0))


def _adding(said: Forecast) -> np.ndarray:
    """Rows of the store, its departments and its SKUs: which SKUs each adds up."""
    department = said.panel.category("category_1", said.last).astype(str)
    members = (department == np.unique(department)[:, None]).astype(float)
    return np.vstack([np.ones((1, len(said.last))), members, np.eye(len(said.last))])


def _sold(panel: Panel, said: Forecast) -> np.ndarray:
    """Units by SKU that was forecast, and day."""
    column = panel.day - int(panel.day.min())
    units = np.zeros((len(panel.keys), int(column.max()) + 1))
    units[panel.series, column] = panel.units
    return units[said.panel.series[said.last]]


def _smoothed(totals: np.ndarray) -> np.ndarray:
    os.environ["NIXTLA_ID_AS_COL"] = "1"
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS

    days = pd.date_range("2000-01-03", periods=totals.shape[1])
    frame = pd.concat([pd.DataFrame({"unique_id": n, "ds": days, "y": row}) for n, row in enumerate(totals)])
    found = StatsForecast(models=[AutoETS(season_length=7)], freq="D", n_jobs=1).forecast(df=frame, h=HORIZON_DAYS)
    return found.pivot(index="unique_id", columns="ds", values="AutoETS").to_numpy()
