"""The demand model's parts against oracles: plain loops, hand arithmetic, simulated counts."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from models import evaluation
from models.demand.baselines import MOVING_AVERAGE, SEASONAL_NAIVE, WEEKDAY_MEAN, baseline_mean
from models.demand.dispersion import Dispersion, estimate
from models.demand.features import pair_features
from models.demand.model import DemandModel
from models.demand.panel import Panel
from models.demand.question import Question
from models.splits import ClosedWindow, closed_windows

FIRST = date(2024, 1, 1)


def feature_frame(units: dict[str, list[float]], closed: frozenset[int] = frozenset()) -> pd.DataFrame:
    """`feat_sku_day` of SKUs whose units a day are given; `closed` days are not observed."""
    rows = [
        {
            "sku": sku,
            "location_id": "main",
            "sold_on": FIRST + timedelta(days=n),
            "is_observed": n not in closed,
            "is_sold_out": False,
            "is_active": True,
            "units": amount,
            "unit_price": 5.0,
            "age_days": n,
            "category_1": "c",
            "category_2": "d",
            "brand": "b",
        }
        for sku, sold in units.items()
        for n, amount in enumerate(sold)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("horizon", [1, 6, 7, 8, 14, 27, 28])
def test_the_features_of_a_horizon_are_those_of_a_plain_loop(horizon: int) -> None:
    rng = np.random.default_rng(1)
    sold = {"a": rng.poisson(2, 120).astype(float).tolist(), "b": rng.poisson(0.2, 120).astype(float).tolist()}
    closed = frozenset({20, 55, 83})
    panel = Panel.from_frame(feature_frame(sold, closed))
    origin = 85
    features = pair_features(panel, np.array([origin, 120 + origin]), np.array([horizon, horizon]))
    for row, units in zip(features.itertuples(), sold.values(), strict=True):
        known = [n for n in range(origin + 1) if n not in closed]
        target = FIRST + timedelta(days=origin + horizon)
        # The newest days on the target's weekday that the origin knows.
        weekdays = [n for n in range(origin, -1, -1) if (origin + horizon - n) % 7 == 0][:8]
        seen = [units[n] for n in weekdays if n not in closed]
        assert row.same_weekday_mean == pytest.approx(sum(seen) / len(seen))
        newest = weekdays[0]
        assert newest <= origin
        if newest in closed:
            assert np.isnan(row.same_weekday_last)
        else:
            assert row.same_weekday_last == units[newest]
        month = [units[n] for n in known if n > origin - 28]
        assert row.mean_28d == pytest.approx(sum(month) / len(month))
        assert row.sale_share_28d == pytest.approx(sum(amount > 0 for amount in month) / len(month))
        assert row.observed_share_28d == pytest.approx(len(month) / 28)
        assert (row.target_weekday, row.target_day_of_month) == (target.weekday(), target.day)
        assert row.target_day_of_year == target.timetuple().tm_yday


def test_nothing_after_the_origin_reaches_a_feature() -> None:
    rng = np.random.default_rng(2)
    past = rng.poisson(1, 100).astype(float).tolist()
    quiet, wild = past + [0.0] * 28, past + [1000.0] * 28
    origins, horizons = np.full(28, 99), np.arange(1, 29)
    before, after = (
        pair_features(Panel.from_frame(feature_frame({"a": sold})), origins, horizons) for sold in (quiet, wild)
    )
    pd.testing.assert_frame_equal(before, after)


def test_a_gap_or_a_missing_column_is_refused() -> None:
    frame = feature_frame({"a": [1.0] * 30})
    with pytest.raises(ValueError, match="gap or a day twice"):
        Panel.from_frame(frame.drop(index=10))
    with pytest.raises(ValueError, match="lacks unit_price"):
        Panel.from_frame(frame.drop(columns="unit_price"))


def test_baselines_repeat_the_weekday_and_its_mean() -> None:
    # Mondays sell 1, 2, ..., 10; everything else nothing. The next Monday is day 70.
    sold = [float(n // 7 + 1) if n % 7 == 0 else 0.0 for n in range(70)]
    panel = Panel.from_frame(feature_frame({"a": sold}))
    monday, tuesday = pair_features(panel, np.array([69, 69]), np.array([1, 2])).iloc[[0]], None
    assert baseline_mean(SEASONAL_NAIVE, monday)[0] == 10
    assert baseline_mean(WEEKDAY_MEAN, monday)[0] == (3 + 4 + 5 + 6 + 7 + 8 + 9 + 10) / 8
    tuesday = pair_features(panel, np.array([69]), np.array([2]))
    assert baseline_mean(WEEKDAY_MEAN, tuesday)[0] == 0
    # The last four Mondays sold 7 to 10 in 28 days, whatever the weekday asked for.
    assert baseline_mean(MOVING_AVERAGE, tuesday)[0] == pytest.approx((7 + 8 + 9 + 10) / 28)


def test_a_window_is_judged_as_by_hand() -> None:
    # One SKU sells 0 0 1 3 1, its naive squared error from the first sale on is the mean of 2 x 2 and 2 x 2: 4.
    # The two days after sell 2 and 4; a mean of 1 is 1 and 3 units short.
    panel = Panel.from_frame(feature_frame({"a": [0.0, 0.0, 1.0, 3.0, 1.0, 2.0, 4.0]}))
    question = Question(2)
    cases = question.cases(panel, ClosedWindow(FIRST + timedelta(days=4), 2))
    judged = question.judge(Flat("flat", Dispersion((1.0,), (1.0,))), cases)
    assert judged["rmsse.part"].tolist() == [1 / 4, 9 / 4]
    assert judged["rmsse.whole"].tolist() == [1.0, 1.0]
    assert (judged["wape.part"].sum(), judged["wape.whole"].sum()) == (1 + 3, 2 + 4)
    assert judged["bias.part"].tolist() == [-1.0, -3.0]
    assert judged["revenue_wape.part"].tolist() == [5.0, 15.0]
    # P90 of a geometric count with mean 1 is 3: 1 too high costs 0.1 x 1, 1 too low 0.9 x 1.
    assert judged["pinball_p90.part"].tolist() == pytest.approx([0.1, 0.9])
    # Above P90 nothing of what was stated came true, below it all.
    assert judged["p90.gap"].tolist() == pytest.approx([0.1, -0.9])
    assert judged["at"].tolist() == [pd.Timestamp(FIRST + timedelta(days=5)), pd.Timestamp(FIRST + timedelta(days=6))]


class Flat(DemandModel):
    """Forecasts one unit."""

    def mean(self, features: pd.DataFrame) -> np.ndarray:
        return np.ones(len(features))


def test_the_scale_of_a_series_by_hand() -> None:
    # Series 0 has 0 0 1 3 1: from its first sale on it changes by 2 and -2, mean square 4. Series 1 has 2 2 5:
    # changes 0 and 3, mean square 4.5. Series 2 never sells and cannot be scaled.
    units = np.array([0, 0, 1, 3, 1, 2, 2, 5, 0, 0], float)
    series = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
    scale = evaluation.naive_squared_error(units, np.ones(10, bool), series)
    assert scale[:2].tolist() == [4.0, 4.5]
    assert np.isnan(scale[2])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_quantiles_cover_what_they_claim_on_counts_of_a_planted_dispersion(alpha: float) -> None:
    rng = np.random.default_rng(3)
    count = 40_000
    mean = rng.gamma(1.0, 2.0, count) + 0.05
    # A gamma mixture of Poissons is a negative binomial: variance m + alpha m^2.
    draw = [rng.poisson(rng.gamma(1 / alpha, alpha * mean)).astype(float) for _ in range(2)]
    dispersion = estimate(draw[0], mean)
    for level in (0.1, 0.5, 0.9):
        # Three standard errors of a share of 40,000, and as much again for the estimated dispersion.
        tolerance = 6 * np.sqrt(level * (1 - level) / count)
        assert dispersion.counts(mean).covered(draw[1], level).mean() == pytest.approx(level, abs=tolerance)


def test_quantiles_never_cross_and_are_counts() -> None:
    dispersion = Dispersion((0.1, 1.0, 10.0), (3.0, 1.0, 0.3))
    mean = np.geomspace(1e-6, 1e3, 500)
    low, middle, high = (dispersion.counts(mean).quantile(level) for level in (0.1, 0.5, 0.9))
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert (low >= 0).all()
    assert (high == np.round(high)).all()


def test_windows_lie_side_by_side_before_as_of() -> None:
    newest, older = closed_windows(date(2024, 3, 1), 28, 2)
    # 2024 is a leap year: 28 days to 1 March begin on 3 February.
    assert (newest.first, newest.last) == (date(2024, 2, 3), date(2024, 3, 1))
    assert older.last == newest.origin == date(2024, 2, 2)
