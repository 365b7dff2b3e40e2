"""Does the demand model behave: to a dearer price, a planned promotion, twice the sales, a SKU's first night?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from demand_home import FIRST, calendar_of, day, features_of, promotions_of

from models.demand.features import EXPECTED, pair_features
from models.demand.forecast import by_sku, forecast
from models.demand.model import DemandModel
from models.demand.panel import Panel
from models.demand.plan import Plan
from models.demand.question import Question
from models.rolling import Rolling

DAYS, SKUS, HORIZON_DAYS = 240, 60, 14
ELASTICITY, LIFT = 1.5, 3.0


def _store(scale: float = 1.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sales that fall with price and rise by exp(3 x discount); a tenth of the days of every SKU is promoted."""
    rng = np.random.default_rng(5)
    base = rng.gamma(2, 1, (SKUS, 1))
    price = 10 * np.exp(np.repeat(rng.normal(0, 0.25, (SKUS, DAYS // 20)), 20, axis=1))
    discount = np.where(np.repeat(rng.random((SKUS, DAYS // 5)) < 0.1, 5, axis=1), 0.2, 0.0)
    mean = base * (price / 10) ** -ELASTICITY * np.exp(LIFT * discount)
    frame = features_of(scale * rng.poisson(mean).astype(float)).assign(unit_price=price.reshape(-1))
    promoted = zip(*(axis.tolist() for axis in np.nonzero(discount)), strict=True)
    planned = [(f"s{sku:03d}", day(n + 1), day(n - 13), 0.2) for sku, n in promoted]
    return frame, promotions_of(planned)


def _learned(frame: pd.DataFrame, promotions: pd.DataFrame) -> tuple[DemandModel, Panel]:
    question = Question(HORIZON_DAYS)
    tables = {
        "feat_sku_day": frame,
        "feat_sku_promotion_day": promotions,
        "feat_calendar_day": calendar_of(FIRST, DAYS + HORIZON_DAYS),
    }
    panel = question.read(tables)
    with Rolling(question, panel, {"it": question.recipe(7)}, threads=1) as rolling:
        model = rolling.fit("it", day(DAYS), HORIZON_DAYS)
    assert isinstance(model, DemandModel)
    return model, panel


@pytest.fixture(scope="module")
def learned() -> tuple[DemandModel, Panel]:
    return _learned(*_store())


def _units(model: DemandModel, panel: Panel) -> np.ndarray:
    return forecast(model, panel, HORIZON_DAYS).mean


def test_a_dearer_price_never_sells_more(learned: tuple[DemandModel, Panel]) -> None:
    model, panel = learned
    last = np.flatnonzero(panel.day == panel.day.max())
    origins, horizons = np.repeat(last, 3), np.tile([1, 7, 14], len(last))
    usual = pair_features(panel, origins, horizons)
    means = []
    for factor in (0.7, 0.85, 1.0, 1.15, 1.4):
        by = np.log(factor)
        means.append(
            model.mean(
                usual.assign(price_change=usual["price_change"] + by, price_in_category=usual["price_in_category"] + by)
            )
        )
    assert (np.diff(np.stack(means), axis=0) <= 1e-12).all()
    # From 0.7 to 1.4 times the price: 2 ** -1.5 = 0.35 of the units.
    assert means[-1].sum() / means[0].sum() == pytest.approx(0.35, abs=0.15)


def test_a_promotion_planned_for_next_week_raises_next_week(learned: tuple[DemandModel, Panel]) -> None:
    model, panel = learned
    _, promotions = _store()
    past = promotions[promotions["promoted_on"] <= day(DAYS)]
    rows = [(f"s{sku:03d}", day(DAYS + ahead), day(DAYS), 0.2) for sku in range(SKUS) for ahead in range(8, 13)]
    calendar = calendar_of(FIRST, DAYS + HORIZON_DAYS)
    plans = [Plan.from_frames(frame, calendar) for frame in (past, pd.concat([past, promotions_of(rows)]))]
    before, after = (_units(model, replace(panel, plan=plan)) for plan in plans)
    inside = slice(7, 12)
    assert (after[:, inside] > before[:, inside]).all()
    # exp(3 x 0.2) = 1.82.
    assert after[:, inside].sum() / before[:, inside].sum() == pytest.approx(1.82, rel=0.2)
    assert after[:, :7] == pytest.approx(before[:, :7])


def test_twice_the_sales_are_twice_the_forecast(learned: tuple[DemandModel, Panel]) -> None:
    double = _units(*_learned(*_store(scale=2.0)))
    single = _units(*learned)
    assert double.sum() / single.sum() == pytest.approx(2.0, rel=0.05)
    assert np.median(double / single) == pytest.approx(2.0, rel=0.1)


def test_the_first_night_of_a_sku_is_finite_and_that_of_its_kind(learned: tuple[DemandModel, Panel]) -> None:
    model, _ = learned
    frame, promotions = _store()
    new = frame[(frame["sku"] == "s000") & (frame["sold_on"] == day(DAYS))]
    new = new.assign(sku="new", units=0.0, age_days=0, unit_price=np.nan)
    panel = Question(HORIZON_DAYS).read({"feat_sku_day": pd.concat([frame, new]), "feat_sku_promotion_day": promotions})
    said = by_sku(forecast(model, panel, HORIZON_DAYS))
    mine, others = said[said["sku"] == "new"], said[said["sku"] != "new"]
    figures = mine[["units_mean", "units_p10", "units_p50", "units_p90"]]
    assert np.isfinite(figures.to_numpy()).all()
    usual = others["units_mean"].mean()
    assert usual / 4 < mine["units_mean"].mean() < usual * 4


def _from_lean_shelves() -> pd.DataFrame:
    """Two units a day are wanted of every SKU; every 14 days its shelf is filled to 20, which last ten days."""
    rng = np.random.default_rng(8)
    wanted = rng.poisson(2.0, (SKUS, DAYS)).astype(float)
    sold, left, stock = np.zeros_like(wanted), np.zeros_like(wanted), np.full(SKUS, 20.0)
    for number in range(DAYS):
        stock = np.where((np.arange(SKUS) + number) % 14 == 0, 20.0, stock)
        sold[:, number] = np.minimum(stock, wanted[:, number])
        left[:, number] = stock = stock - sold[:, number]
    units, is_empty = sold.reshape(-1), left.reshape(-1) == 0
    return features_of(sold).assign(is_observed=~(is_empty & (units == 0)), is_sold_out=is_empty & (units > 0))


def test_days_without_stock_do_not_lower_what_is_expected() -> None:
    frame = _from_lean_shelves()
    assert 0.2 < 1 - frame["is_observed"].mean() < 0.4
    means = []
    for store in (frame, frame.assign(is_sold_out=False), frame.assign(is_observed=True, is_sold_out=False)):
        panel = Panel.from_frame(store)
        last = np.flatnonzero(panel.day == panel.day.max())
        known = [
            pair_features(panel, last, np.full(len(last), ahead))[EXPECTED] for ahead in range(1, HORIZON_DAYS + 1)
        ]
        means.append(np.mean(known))
    # The pace of the last four weeks, and of each weekday in eight: a standard error of about 2 %.
    assert means[0] == pytest.approx(2.0, rel=0.06)
    # A day that sold out taken for a whole one: 20 units in 10.5 days instead of ten.
    assert means[1] / means[0] == pytest.approx(10 / 10.5, abs=0.02)
    # Days without stock taken for days of no demand: 20 units in 14 days.
    assert means[2] / means[0] == pytest.approx(10 / 14, abs=0.03)
