"""Rates from counts of the past, calibration, and figures of rank: against arithmetic and plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from models import calibration
from models.evaluation import placements, precisions
from models.returns.rates import Rates, ages_of, drawn, fit_rates, remaining

# A window of 6 days: half of the returns show on day 2, the others on day 4.
SHOWN = (0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.0)


def _column(**counts: float):
    return lambda name: np.array([counts.get(name, 0.0)], np.float32)


def test_young_lines_count_as_the_part_that_they_have_shown() -> None:
    assert ages_of(6) == (1, 2, 4)
    rates = Rates(SHOWN, {})
    # 10 lines: 4 younger than a day, 3 of one day, 2 of two or three, 1 older.
    counts = _column(sku_lines=10, sku_lines_6th=6, sku_lines_3rd=3, sku_lines_2_3rds=1)
    wanted = 4 * 0 + 3 * 0 + 2 * (0.5 + 0.5) / 2 + 1 * 1
    assert rates.exposure(counts, "sku").tolist() == [wanted]


def test_a_rate_of_few_lines_lies_near_its_parents() -> None:
    # 2 of 5 lines, and 20 lines at the parent's 0.1: (2 + 2) / 25.
    assert drawn(np.array([2.0], np.float32), np.array([5.0]), np.array([0.1]), 20.0).tolist() == pytest.approx(
        [4 / 25]
    )


def test_a_sku_without_a_past_has_the_rate_of_its_category() -> None:
    strengths = dict.fromkeys(("category", "brand", "style", "sku", "customer"), 10.0)
    of_store = {f"store_{name}": 1_000.0 for name in ("lines", "lines_6th", "lines_3rd", "lines_2_3rds")}
    of_category = {f"category_{name}": 90.0 for name in ("lines", "lines_6th", "lines_3rd", "lines_2_3rds")}
    column = _column(**of_store, **of_category, store_returned=100, category_returned=45)
    rates = Rates(SHOWN, strengths)
    found = rates.levels(column, rates.exposures(column))
    store = (100 + 1) / (1_000 + 10)
    wanted = (45 + 10 * store) / (90 + 10)
    assert [found[level][0] for level in ("category", "style", "sku")] == pytest.approx([wanted] * 3)
    assert found["customer"][0] == pytest.approx(store)


def test_what_is_left_of_a_chance_shrinks_as_nothing_happens() -> None:
    # Bayes: 0.4 * 0.25 of all lines still come back, 1 - 0.4 * 0.75 are not back yet.
    assert remaining(np.array([0.4]), np.array([0.75]))[0] == pytest.approx(0.1 / 0.7)


def test_delays_are_learned_from_returns_and_strengths_from_what_happened() -> None:
    draw = np.random.default_rng(1)
    # Every customer has a rate of their own, which 50 lines tell; SKUs are all alike.
    own = draw.beta(0.5, 1.5, 4_000)
    counts = {
        **{f"customer_{name}": np.full(4_000, 50.0) for name in ("lines", "lines_6th", "lines_3rd", "lines_2_3rds")},
        "customer_returned": draw.binomial(50, own).astype(float),
        **{f"store_{name}": np.full(4_000, 1e5) for name in ("lines", "lines_6th", "lines_3rd", "lines_2_3rds")},
        "store_returned": np.full(4_000, 25_000.0),
        **{f"sku_{name}": np.full(4_000, 10.0) for name in ("lines", "lines_6th", "lines_3rd", "lines_2_3rds")},
        "sku_returned": draw.binomial(10, 0.25, 4_000).astype(float),
    }
    happened = (draw.random(4_000) < own).astype(float)
    rates = fit_rates(
        np.array([2] * 30 + [4] * 10), 6, lambda name: counts.get(name, np.zeros(4_000)).astype(np.float32), happened
    )
    assert rates.shown == pytest.approx((0, 0, 0.75, 0.75, 1, 1, 1), abs=0.001)
    assert rates.strengths["customer"] == 3.0
    assert rates.strengths["sku"] == 300.0


@pytest.mark.parametrize("seed", range(3))
def test_ranks_agree_with_counting_pairs(seed: int) -> None:
    draw = np.random.default_rng(seed)
    score, happened = draw.integers(0, 8, 60) / 8, (draw.random(60) < 0.3).astype(float)
    yes, no = score[happened > 0], score[happened == 0]
    pairs = np.mean([(one > other) + (one == other) / 2 for one in yes for other in no])
    assert placements(score, happened)[happened > 0].mean() == pytest.approx(pairs)
    precise = [happened[score >= one].mean() for one in yes]
    assert precisions(score, happened)[happened > 0] == pytest.approx(precise)


def _judged(true: np.ndarray, stated: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    happened = (np.random.default_rng(seed).random(len(true)) < true).astype(float)
    return stated, happened, np.arange(len(true)) * 8 // len(true)


def test_what_is_right_already_is_left_alone() -> None:
    true = np.random.default_rng(5).beta(1, 6, 20_000)
    assert calibration.choose(*_judged(true, true, 6)).kind == calibration.NONE


def test_odds_that_are_doubled_or_too_bold_are_put_right() -> None:
    true = np.random.default_rng(7).beta(1, 6, 20_000)
    odds = np.log(true / (1 - true))
    for wrong in (odds + np.log(2), 1.6 * odds + 0.5):
        mended = calibration.choose(*_judged(true, 1 / (1 + np.exp(-wrong)), 8))
        assert mended.kind != calibration.NONE
        assert np.abs(mended(1 / (1 + np.exp(-wrong))) - true).mean() < 0.006


@pytest.mark.parametrize("kind", [calibration.SHIFT, calibration.LOGISTIC, calibration.ISOTONIC])
def test_no_calibration_turns_an_order_round(kind: str) -> None:
    draw = np.random.default_rng(9)
    stated = draw.random(5_000)
    # What happened has nothing to do with what was stated, or is its opposite.
    for happened in (draw.random(5_000) < 0.2, draw.random(5_000) > stated):
        mended = calibration.fit(kind, stated, happened.astype(float))(np.sort(stated))
        assert (np.diff(mended) >= -1e-12).all()
        assert ((mended > 0) & (mended < 1)).all()


def test_levelled_a_map_states_as_many_outcomes_as_there_were() -> None:
    given = calibration.fit(calibration.LOGISTIC, np.array([0.1, 0.2, 0.6, 0.7] * 25), np.array([0.0, 0, 1, 1] * 25))
    moved = calibration.levelled(given, np.full(100, 0.3), np.repeat([1.0, 0.0], [40, 60]))
    assert moved(np.array([0.3]))[0] == pytest.approx(0.4, abs=1e-4)
    # Slopes stay as they were.
    assert np.diff(moved.to) == pytest.approx(np.diff(given.to))
