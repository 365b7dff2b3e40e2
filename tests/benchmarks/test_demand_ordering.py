"""Ninety days of ordering on the simulated store: what the recommended orders cost, against a tuned rule of thumb.

    .venv/bin/pytest --campaigns tests/benchmarks/test_demand_ordering.py

Stock is reviewed weekly, demand is the true one, and what is not on the shelf is lost. Both policies see only the sales
that their own stock allowed. The other one orders up to a moving average of 28 days times lead time and review, plus a
safety of z standard deviations of a Poisson; its z is tuned, in hindsight, to the fill rate that the model reached.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import demand_stores
import numpy as np
import pandas as pd
import pytest
from test_demand_accuracy import DAYS, SCALE

from models.demand.forecast import forecast
from models.demand.model import DemandModel
from models.demand.panel import Panel
from models.demand.question import Question
from models.demand.replenishment import YEAR_DAYS, decide
from models.demand.sums import DAYS_OF_A_SKU, Parts, members
from models.demand.supply import NUMBERS, Supply
from models.rolling import Rolling

RUN_DAYS, REVIEW_DAYS, HORIZON_DAYS = 90, 7, 28
START = demand_stores.FIRST_DAY + timedelta(days=DAYS - RUN_DAYS - 1)
TARGET = 0.95
# Units to order by series, from what is known on a day and the supply with the stock of that evening.
Policy = Callable[[Panel, Supply], np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """Of ninety days: the share of demand met, and money."""

    fill: float
    holding: float
    lost: float
    ordering: float

    @property
    def total(self) -> float:
        return self.holding + self.lost + self.ordering


@dataclass(frozen=True)
class Run:
    """The store on the evening it begins; matrices by series (those of `rows`) and day."""

    panel: Panel
    rows: np.ndarray
    demand: np.ndarray
    supply: Supply

    def with_policy(self, order: Policy) -> Outcome:
        units, is_observed, is_sold_out = (
            each.copy() for each in (self.panel.units, self.panel.is_observed, self.panel.is_sold_out)
        )
        stock = self.supply.units_on_hand.copy()
        lead = self.supply.lead_days.astype(int)
        arriving = np.zeros((len(stock), RUN_DAYS + lead.max() + 1))
        arriving[np.arange(len(stock)), np.maximum(lead // 2, 0)] += self.supply.units_on_order
        sold = held = orders = 0.0
        for number in range(RUN_DAYS):
            if number % REVIEW_DAYS == 0:
                seen = replace(self.panel, units=units, is_observed=is_observed, is_sold_out=is_sold_out)
                known = seen.until(START + timedelta(days=number))
                evening = replace(self.supply, units_on_hand=stock, units_on_order=arriving[:, number:].sum(axis=1))
                wanted = order(known, evening)
                arriving[np.arange(len(stock)), number + lead] += wanted
                orders += float(((wanted > 0) * self.supply.order_cost).sum())
            stock = stock + arriving[:, number]
            today = np.minimum(stock, self.demand[:, number])
            at = self.rows + number + 1
            units[at], is_observed[at] = today, (today > 0) | (stock > 0)
            stock = stock - today
            is_sold_out[at] = (today > 0) & (stock == 0)
            sold += float(today.sum())
            held += float((stock * self.supply.unit_cost * self.supply.holding_cost_pct / YEAR_DAYS).sum())
        missing = self.demand.sum(axis=1) - (units[self.rows[:, None] + np.arange(1, RUN_DAYS + 1)]).sum(axis=1)
        return Outcome(sold / self.demand.sum(), held, float((missing * self.supply.margin).sum()), orders)


def _begun(home: Path, fill: float) -> tuple[Run, DemandModel]:
    """SKUs sold on every day of the run, with the stock of its first evening, and the model learned then."""
    folder, question = demand_stores.feature_tables(home), Question(HORIZON_DAYS)
    names = ("feat_sku_day", "feat_sku_promotion_day", "feat_calendar_day")
    tables = {name: pd.read_parquet(folder / f"{name}.parquet", dtype_backend="pyarrow") for name in names}
    panel = question.read(tables)
    with Rolling(question, panel, {"it": question.recipe(7)}, threads=2) as rolling:
        model = rolling.fit("it", START, HORIZON_DAYS)
    assert isinstance(model, DemandModel)
    truth = pd.read_parquet(home / "truth" / "sku_day.parquet")
    truth["sold_on"] = pd.to_datetime(truth["sold_on"]).dt.date
    wide = truth.pivot(index="sku", columns="sold_on", values="true_demand_units")
    days = [START + timedelta(days=n + 1) for n in range(RUN_DAYS)]
    demand = wide.reindex(index=panel.keys["sku"], columns=days).to_numpy(float)
    rows = panel.rows_on(START)
    is_there = ~np.isnan(demand[panel.series[rows]]).any(axis=1)
    supply = _supply(home, panel, rows, fill)
    is_there &= ~np.isnan(supply.units_on_hand) & ~np.isnan(supply.margin)
    chosen = Supply(*(getattr(supply, name)[is_there] for name in NUMBERS))
    return Run(panel, rows[is_there], demand[panel.series[rows[is_there]]], chosen), model


def _supply(home: Path, panel: Panel, rows: np.ndarray, fill: float) -> Supply:
    """The catalog and the closing stock as delivered for the first evening."""
    skus = panel.keys["sku"].to_numpy()[panel.series[rows]]

    def delivered(feed: str) -> pd.DataFrame:
        return pd.read_parquet(home / "raw" / feed / f"ds={START}" / "data.parquet").set_index("sku").reindex(skus)

    products, stock = delivered("products"), delivered("inventory")
    given = {
        "units_on_hand": stock["on_hand"],
        "units_on_order": stock["on_order"].fillna(0),
        "net_unit_price": products["list_price"],
        **{name: products[name] for name in ("lead_time_days", "pack_size", "min_order_quantity", "unit_cost")},
    }
    policy = {"review_days": REVIEW_DAYS, "usual_lead_time_days": 14, "holding_cost_pct": 0.25, "order_cost": 1.0}
    policy |= {"stockout_cost_pct": 1.0, "service_pct": 0.95, "fill_pct": fill}
    columns = {name: column.astype(float).to_numpy() for name, column in given.items()}
    columns |= {name: np.full(len(skus), float(value)) for name, value in policy.items()}
    return Supply(**columns)


def _by_model(run: Run, model: DemandModel) -> Policy:
    def order(known: Panel, supply: Supply) -> np.ndarray:
        said = forecast(model, known, HORIZON_DAYS)
        place = np.searchsorted(said.panel.series[said.last], run.panel.series[run.rows])
        mean = said.mean[place]
        parts = members(mean.reshape(-1), model.dispersion)
        shaped = Parts(*(getattr(parts, name).reshape(mean.shape) for name in ("mean", "apart", "common")))
        return decide(mean, shaped, model.correlations[DAYS_OF_A_SKU], supply).quantity

    return order


def _by_average(run: Run, z: float) -> Policy:
    def order(known: Panel, supply: Supply) -> np.ndarray:
        last = np.flatnonzero(known.day == known.day.max())
        last = last[np.searchsorted(known.series[last], run.panel.series[run.rows])]
        window = last[:, None] - np.minimum(np.arange(28), known.position[last][:, None])
        seen = known.is_observed[window].sum(axis=1)
        total = np.where(known.is_observed[window], known.units[window], 0).sum(axis=1)
        average = np.divide(total, seen, out=np.zeros(len(seen)), where=seen > 0)
        cover = average * (supply.lead_days + REVIEW_DAYS)
        economic = np.sqrt(2 * supply.order_cost * average * YEAR_DAYS / (supply.unit_cost * supply.holding_cost_pct))
        point = cover + z * np.sqrt(cover)
        position = supply.units_on_hand + supply.units_on_order
        wanted = np.where(position < point, point + np.maximum(economic - average * REVIEW_DAYS, 0) - position, 0)
        least = np.where(wanted > 0, np.fmax(wanted, supply.min_order_quantity), 0)
        pack = np.where(supply.pack_size > 0, supply.pack_size, 1)
        return np.ceil(np.round(least / pack, 9)) * pack

    return order


def _tuned(run: Run, fill: float) -> tuple[float, Outcome]:
    """The z, and its outcome, that reaches a fill rate."""
    low, high = -2.0, 12.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if run.with_policy(_by_average(run, middle)).fill < fill else (low, middle)
    return high, run.with_policy(_by_average(run, high))


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ninety_days_of_orders(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    home = demand_stores.simulated(seed, SCALE, DAYS)
    lines = []
    for fill in (TARGET, np.nan):
        run, model = _begun(home, fill)
        ours = run.with_policy(_by_model(run, model))
        z, other = _tuned(run, ours.fill)
        aim = "critical ratio" if np.isnan(fill) else f"fill rate {fill:.2f}"
        lines.append(
            f"seed {seed}, {aim}, {len(run.rows)} SKUs: {_told(ours)}; moving average with z {z:.2f}: {_told(other)}: "
            f"{1 - ours.total / other.total:.1%} less"
        )
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    (demand_stores.KEPT / f"ordering-{seed}.json").write_text(json.dumps(lines))
    assert 0 < ours.fill <= 1


def _told(done: Outcome) -> str:
    parts = f"holding {done.holding:,.0f}, lost margin {done.lost:,.0f}, ordering {done.ordering:,.0f}"
    return f"fill rate {done.fill:.4f}, cost {done.total:,.0f} ({parts})"
