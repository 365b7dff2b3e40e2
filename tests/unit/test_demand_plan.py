"""What a forecast knows of coming days, and the rules that speak instead of a model."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
from demand_home import FIRST, calendar_of, day, features_of, promotions_of

from models.demand.dispersion import UNKNOWN
from models.demand.features import EXPECTED, pair_features
from models.demand.forecast import by_sku, by_total, forecast
from models.demand.model import DemandModel
from models.demand.panel import Panel
from models.demand.plan import Plan

DAYS = 200


def _panel(units: np.ndarray, promotions: pd.DataFrame | None = None, closed: frozenset[date] = frozenset()) -> Panel:
    plan = Plan.from_frames(promotions, calendar_of(FIRST, units.shape[1] + 28, closed))
    return Panel.from_frame(features_of(units), plan)


def _known(panel: Panel, horizons: list[int], origin: int = DAYS - 1) -> pd.DataFrame:
    return pair_features(panel, np.full(len(horizons), origin), np.array(horizons))


def test_a_promotion_is_known_from_its_announcement_on() -> None:
    # Announced on day 190 for days 195 to 197, in addition to a shallow one announced long before for day 196.
    deep = [("s000", day(n), day(190), 0.3) for n in (195, 196, 197)]
    panel = _panel(np.ones((1, DAYS)), promotions_of([*deep, ("s000", day(196), day(100), 0.1)]))
    # Row n - 1 is day n.
    before, after = (_known(panel, [195 - n, 196 - n, 199 - n], n - 1) for n in (189, 190))
    assert before["planned_discount"].tolist() == [0, 0.1, 0]
    assert after["planned_discount"].tolist() == [0.3, 0.3, 0]
    assert before["is_planned"].tolist() == [0, 1, 0]
    # Day 199 is two days after what day 190 knows to end on 197, and three after what day 189 knows of 196.
    assert (after["since_promotion"].iloc[2], after["since_discount"].iloc[2]) == (2, 0.3)
    assert (before["since_promotion"].iloc[2], before["since_discount"].iloc[2]) == (3, 0.1)
    pd.testing.assert_frame_equal(before, _known(panel.until(day(189)), [6, 7, 10], 188))


def test_holidays_are_those_of_the_country() -> None:
    panel = _panel(np.ones((1, DAYS)))
    # Day 85 of 2024 is 25 March; Good Friday is 29 March. Easter Monday is no holiday of all of Britain.
    known = _known(panel, [1, 4, 6], 84)
    assert known["days_to_holiday"].tolist() == [3, 0, 15]
    assert known["days_since_holiday"].tolist()[1:] == [0, 2]


def test_closed_days_and_skus_no_longer_sold_are_zero_and_say_so() -> None:
    units = np.ones((3, DAYS))
    units[1, 10:] = 0
    closed = day(DAYS) + timedelta(days=2)
    frame = features_of(units)
    frame.loc[frame["sku"] == "s002", "is_active"] = frame["sold_on"] < day(DAYS)
    panel = Panel.from_frame(frame, Plan.from_frames(None, calendar_of(FIRST, DAYS + 28, frozenset({closed}))))
    said = by_sku(forecast(DemandModel("moving_average", UNKNOWN), panel, 3))
    assert said["units_mean"].tolist() == [1, 0, 1, 0, 0, 0, 0, 0, 0]
    assert said["method"].tolist() == ["moving_average", "closed", "moving_average"] + ["ended"] * 6
    assert said["units_p90"].tolist()[3:] == [0] * 6


def test_what_is_absurd_is_cut_and_says_so() -> None:
    units = np.ones((2, DAYS))
    # One order of a million, long ago enough for the share to have faded below a tenth of it.
    units[1] = 0
    units[1, -20:] = 3
    panel = _panel(units)
    model = DemandModel("seasonal_naive", UNKNOWN)
    features = _known(panel, [1], 2 * DAYS - 1).assign(same_weekday_last=1e6)
    mean = model.mean(features)
    assert mean[0] == 10 * features[EXPECTED].iloc[0] < 1e6
    assert model.methods(features, mean).tolist() == ["seasonal_naive_capped"]


def test_totals_are_the_sums_of_the_skus_and_their_quantiles_are_not() -> None:
    rng = np.random.default_rng(4)
    panel = _panel(rng.poisson(2, (30, DAYS)).astype(float))
    said = forecast(DemandModel("moving_average", UNKNOWN), panel, 5)
    skus, totals = by_sku(said), by_total(said)
    expected = skus.groupby("forecast_date")["units_mean"].sum().tolist()
    assert set(totals["level"]) == {"store", "location", "category"}
    assert set(totals["key"]) == {"store", "main", "c", "c > d"}
    for _, rows in totals.groupby(["level", "key"]):
        assert np.allclose(rows["units_mean"], expected)
        assert (rows["units_p10"] <= rows["units_p50"]).all()
        assert (rows["units_p50"] <= rows["units_p90"]).all()
    p90 = totals[totals["level"] == "store"]["units_p90"].to_numpy()
    assert (p90 < skus.groupby("forecast_date")["units_p90"].sum().to_numpy()).all()
