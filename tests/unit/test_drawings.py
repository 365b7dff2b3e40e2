"""What a card draws, against arithmetic done by hand."""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np
import pytest

from models import drawings
from pipelines.simulate.describe import figures


def test_reliability_is_mean_stated_and_share_happened_of_ten_equal_groups() -> None:
    # Twenty cases, two a group: 0.00 and 0.01 are the first group, 0.18 and 0.19 the last.
    stated = np.arange(20) / 100
    happened = np.zeros(20)
    happened[[1, 18, 19]] = 1
    points = drawings.reliability(stated[::-1], happened[::-1])
    assert len(points) == 10
    assert points[0] == pytest.approx((0.005, 0.5))
    assert points[1] == pytest.approx((0.025, 0.0))
    assert points[9] == pytest.approx((0.185, 1.0))


def test_lift_is_the_share_among_the_likeliest_over_that_of_all() -> None:
    # 40 cases, 4 happened (10 %): of the likeliest two (5 %) both did, of the likeliest half three did.
    stated = np.linspace(0.9, 0.1, 40)
    happened = np.zeros(40)
    happened[[0, 1, 19, 39]] = 1
    points = dict(drawings.lift(stated, happened))
    assert points[0.05] == pytest.approx(1.0 / 0.1)
    assert points[0.5] == pytest.approx(3 / 20 / 0.1)
    assert points[1.0] == pytest.approx(1.0)


def test_where_nothing_happened_there_is_no_lift() -> None:
    assert drawings.lift(np.linspace(0, 1, 5), np.zeros(5)) == []


def test_importance_is_a_share_whatever_the_sign() -> None:
    drawn = drawings.importance(("a", "b", "c"), np.array([[3.0, -1.0, 0.0], [-3.0, 1.0, 0.0]]))
    assert drawn.bars == pytest.approx({"a": 0.75, "b": 0.25})


def test_rows_are_drawn_evenly() -> None:
    assert drawings.evenly(np.arange(9), 3).tolist() == [0, 4, 8]
    assert drawings.evenly(np.arange(3), 9).tolist() == [0, 1, 2]


def test_a_small_figure_is_drawn_with_its_decimals_and_a_count_without() -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(3)]

    def ticks(*values: float) -> list[str]:
        svg = figures.lines("a", [figures.Line("a", list(zip(days, values, strict=True)))]).svg
        return re.findall(r">([0-9.,]+)</text>", svg)

    # A log loss of a third is not 0; three orders are no 1.5.
    assert 0.2 < max(map(float, ticks(0.31, 0.3, 0.33))) < 0.4
    assert not any("." in text for text in ticks(1, 2, 3))
    assert "4,000" in ticks(1_200.5, 3_000, 4_100)
