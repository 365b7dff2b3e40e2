"""What an experiment is said to show is what is so: bounds hold, splits are watched, thin data says nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from models.experiment import chance_of_split, compare, days_needed, least_effect
from pipelines.measurement import EXPORT, TOOL, told

CARTS, EXPERIMENTS = 1_500, 1_000


def _experiments(propensity: float, seed: int) -> tuple[np.ndarray, ...]:
    """Experiments side by side on the same carts: chances, effects by segment, draws, and what was bought for how much.

    As in the simulated store: a message doubles the chance of new customers, and lowers that of loyal ones.
    """
    draw = np.random.default_rng(seed)
    chance, value = draw.beta(2, 14, CARTS), draw.lognormal(3.5, 0.6, CARTS)
    effect = chance * draw.choice([1.0, 0.6, -0.15], CARTS, p=[0.2, 0.4, 0.4])
    is_treated = draw.random((EXPERIMENTS, CARTS)) < propensity
    bought = draw.random((EXPERIMENTS, CARTS)) < chance + effect * is_treated
    return chance, value, effect, is_treated, bought


@pytest.mark.parametrize("propensity", [0.5, 0.9])
def test_the_interval_covers_the_truth_as_often_as_it_says(propensity: float) -> None:
    chance, value, effect, is_treated, bought = _experiments(propensity, seed=5)
    given = np.full(is_treated.shape, propensity)
    before = np.broadcast_to(np.stack([chance, value], axis=-1), (*is_treated.shape, 2))
    for outcome, truth in ((bought.astype(float), effect.mean()), (bought * value, (effect * value).mean())):
        for known in (None, before):
            found = compare(outcome, is_treated, given, known)
            covers = ((found.low <= truth) & (truth <= found.high)).mean()
            assert 0.93 <= covers <= 0.97, (propensity, known is None, covers)
            assert abs(found.effect.mean() - truth) < 4 * found.effect.std() / np.sqrt(EXPERIMENTS)


def test_what_was_known_before_makes_it_surer() -> None:
    draw = np.random.default_rng(2)
    before = draw.normal(size=4_000)
    is_treated, propensity = draw.random(4_000) < 0.5, np.full(4_000, 0.5)
    # Half of the variance is that of what was known, so that half of it is left.
    outcome = before + draw.normal(size=4_000)
    plain, known = (compare(outcome, is_treated, propensity, b) for b in (None, before[:, None]))
    assert float(known.error / plain.error) == pytest.approx(np.sqrt(0.5), abs=0.03)


def test_without_anything_known_before_it_is_welchs() -> None:
    draw = np.random.default_rng(3)
    outcome, is_treated = draw.normal(size=50), np.arange(50) < 20
    found = compare(outcome, is_treated, np.full(50, 0.4))
    by_hand = stats.ttest_ind(outcome[:20], outcome[20:], equal_var=False).confidence_interval(0.95)
    assert (float(found.low), float(found.high)) == pytest.approx((by_hand.low, by_hand.high), rel=1e-6)


def test_a_share_changed_half_way_does_not_mix_up_the_weeks() -> None:
    """Half of 1,000 carts of a bad week are held out, a tenth of 1,000 of a good one; messages do nothing."""
    is_good = np.arange(2_000) >= 1_000
    is_treated = np.where(is_good, np.arange(2_000) % 10 > 0, np.arange(2_000) % 2 > 0)
    found = compare(np.where(is_good, 0.3, 0.1), is_treated, np.where(is_good, 0.9, 0.5))
    assert float(found.effect) == pytest.approx(0, abs=1e-9)
    # Counted as they come: (500 x 0.1 + 900 x 0.3) / 1,400 - (500 x 0.1 + 100 x 0.3) / 600 = 0.229 - 0.133.
    assert np.where(is_good, 0.3, 0.1)[is_treated].mean() - np.where(is_good, 0.3, 0.1)[~is_treated].mean() > 0.09


def test_a_split_that_is_no_chance_is_told() -> None:
    # 550 of 1,000 at a half: 50 / sqrt(250) = 3.16 standard deviations, p = 0.0016; 560: 3.79, p = 0.00015.
    for drawn, chance in ((500, 1.0), (550, 0.00157), (560, 0.000148)):
        assert chance_of_split(np.arange(1_000) < drawn, np.full(1_000, 0.5)) == pytest.approx(chance, rel=0.01)


def test_days_needed_grow_with_the_square_of_the_error() -> None:
    # (1.96 + 0.84) standard errors are found four times of five; half of that takes four times as long.
    assert least_effect(0.01) == pytest.approx(0.028016, abs=1e-5)
    assert days_needed(least_effect(0.01), 0.01, 30) == pytest.approx(30)
    assert days_needed(least_effect(0.01) / 2, 0.01, 30) == pytest.approx(120)
    assert days_needed(0.0, 0.01, 30) == np.inf


def _carts(treated: int, holdout: int, bought: tuple[int, int], propensity: float = 0.5) -> pd.DataFrame:
    is_treated = np.arange(treated + holdout) < treated
    number = np.where(is_treated, np.arange(len(is_treated)), np.arange(len(is_treated)) - treated)
    conversion = number < np.where(is_treated, *bought)
    known = ("cart_amount", "earlier_order_count", "has_checkout", "is_logged_in", "nights_count", "in_stock_pct")
    return pd.DataFrame(
        {
            "drawn_on": pd.to_datetime("2025-01-01") + pd.to_timedelta(number % 10, unit="D"),
            "is_treated": is_treated,
            "propensity": propensity,
            "is_written_to": is_treated,
            "conversion": conversion,
            "revenue": conversion * 40.0,
            "margin": conversion * 15.0,
            **{name: np.random.default_rng(1).random(len(is_treated)) for name in known},
            "in_stock_pct": np.nan,
        }
    )


def test_it_says_both_groups_their_difference_and_how_long_it_takes() -> None:
    found = told(_carts(1_000, 1_000, (150, 100)), EXPORT, "GBP")
    lines = "\n".join(found.lines)
    assert "2,000 carts drawn by the export: 1,000 treatment, 1,000 holdout, 2025-01-01 to 2025-01-10" in lines
    assert "split as stated" in lines
    assert "written to: 100.0% of the treatment, 0.0% of the holdout" in lines
    assert "conversion: 0.1500 against 0.1000, +0.0" in lines
    assert "margin: 2.2500 against 1.5000 GBP a cart" in lines
    conversion, revenue, margin = found.figures
    assert conversion.low < 0.05 < conversion.high
    # 150 x 40 / 1,000 and 100 x 15 / 1,000.
    assert (revenue.treatment, margin.holdout) == pytest.approx((6.0, 1.5))
    assert found.not_yet == ""


#   treatment, holdout | bought of each | why there is no number
THIN = [
    (99, 500, (50, 50), "of 99 carts in the treatment 50 were bought"),
    (500, 99, (50, 50), "of 99 carts in the holdout 50 were bought"),
    (500, 500, (50, 29), "of 500 carts in the holdout 29 were bought"),
    (0, 0, (0, 0), "of 0 carts in the treatment 0 were bought"),
]


@pytest.mark.parametrize(("treated", "holdout", "bought", "why"), THIN)
def test_thin_data_says_not_yet_and_no_number(treated: int, holdout: int, bought: tuple[int, int], why: str) -> None:
    found = told(_carts(treated, holdout, bought), TOOL, "GBP")
    assert found.lines[-1].startswith(f"not yet: {why}")
    assert (found.figures, len(found.lines)) == ((), 2)


def test_a_wrong_split_is_named_before_the_figures() -> None:
    found = told(_carts(1_200, 1_000, (150, 100)), EXPORT, "GBP")
    assert found.lines[1].startswith("sample ratio mismatch: 0.545 were drawn for treatment, 0.500 was stated")
    unknown = told(_carts(1_000, 1_000, (150, 100)).assign(is_written_to=False), EXPORT, "GBP")
    assert any("who was written to is not known" in line for line in unknown.lines)
