"""What the card of the model of carts draws, against arithmetic on planted carts."""

from __future__ import annotations

import numpy as np
import pytest
from planted_decisions import HORIZON_DAYS, tables
from planted_experiment import CATEGORIES, experiment

from models.abandonment import plots
from models.abandonment.carts import Carts


def test_the_qini_curve_rises_to_what_the_won_bring_and_falls_to_the_mean() -> None:
    # Half of the carts gain 0.15 x 1.0, half lose 0.15 x 0.4: 0.5 x 0.15 = 0.075 a cart by the better half alone,
    # 0.075 - 0.5 x 0.06 = 0.045 by all. Of the newer 10,000 a mean of scores is off by 0.008, one standard error.
    drawn = plots.qini(experiment(30_000, (1.0, -0.4)), CATEGORIES, 7)
    assert drawn
    points = dict(drawn.lines["largest effect first"])
    assert points[0.0] == 0.0
    assert points[0.5] == pytest.approx(0.075, abs=0.024)
    assert points[1.0] == pytest.approx(0.045, abs=0.024)
    assert points[0.5] > points[1.0] == pytest.approx(drawn.reference[1][1])
    # Who is unlikely to buy is not who is won: the order says nothing, and half of the carts bring half of it all.
    likeliest = dict(drawn.lines["likeliest to leave first"])
    assert likeliest[0.5] < points[0.5]
    assert likeliest[1.0] == pytest.approx(points[1.0])


def test_an_experiment_too_small_to_learn_from_is_not_drawn() -> None:
    # 800 carts of a chance of 0.15: 60 bought in each group.
    assert plots.qini(experiment(800, (1.0, 1.0)), CATEGORIES, 7) is None


def test_lead_time_is_from_the_decision_to_the_purchase() -> None:
    carts = Carts.from_tables(tables(carts=2_000))
    drawn = plots.lead_times(carts, np.arange(len(carts.day)), HORIZON_DAYS)
    share = {name: dict(points) for name, points in drawn.lines.items()}
    # Planted: added at noon, left at 12:40, cut at midnight; bought 20 minutes or two days and 20 minutes after noon.
    first = share["first addition"]
    assert first[0.0] == 0.0
    assert first[0.25] == first[2.0] > 0.5
    assert first[2.25] == 1.0
    assert share["half an hour later"][1.75] == 0.0
    assert share["half an hour later"][2.0] == 1.0
    assert share["at night"][1.5] == 0.0
    assert share["at night"][1.75] == 1.0
