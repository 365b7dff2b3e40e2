"""What lines of an open window teach, against planted chances; and a rare outcome's rate from a sample of rows."""

from __future__ import annotations

import numpy as np
import planted_lines
import pytest
from planted_lines import SKUS, WINDOW_DAYS

from models.returns import lessons
from models.returns.features import FEATURES
from models.returns.lines import Lines
from models.returns.question import Question
from models.returns.rates import Rates, remaining
from models.returns.regression import fit_regression
from models.returns.rows import Rows

# Returns are asked for 3 to 20 days after the order, each day as likely.
SHOWN = np.clip((np.arange(WINDOW_DAYS + 1) - 2) / 18, 0, 1)
RATES = Rates(tuple(SHOWN.tolist()), {})


@pytest.fixture(scope="module")
def known() -> Lines:
    """The planted shop as of a day; no line of its last month has shown all it will."""
    history = Question(WINDOW_DAYS).read(planted_lines.tables(lines=60_000))
    return history.until(history.last_day - 60)


def _chance(lines: Lines) -> np.ndarray:
    sku, customer = (lines.frame[name].str[1:].astype(int).to_numpy() for name in ("sku", "customer_id"))
    return np.minimum(np.linspace(0.02, 0.5, SKUS)[sku] * np.where(customer % 3 == 0, 2.0, 1.0), 1.0)


def _left(rows: Rows) -> np.ndarray:
    return remaining(_chance(rows.lines)[rows.index], SHOWN[rows.age])


def test_young_lines_teach_the_chance_that_they_have_by_the_windows_end(known: Lines) -> None:
    is_young = known.day > known.last_day - 20
    taught = lessons.of_any_age(known, is_young, RATES, _left, 1)
    chance, at_order = _chance(known)[taught.rows.index], taught.rows.age == 0
    for low, high in ((0, 0.15), (0.15, 0.4), (0.4, 1.0)):
        here = at_order & (chance >= low) & (chance < high)
        count, back = taught.weight[here], taught.happened[here]
        error = np.sqrt((count**2 * chance[here]).sum()) / count.sum()
        assert abs((count * back).sum() - (count * chance[here]).sum()) / count.sum() < 4 * error
        # Taken as they stand, they would say far less.
        assert back.mean() < 0.8 * chance[here].mean()


def test_a_row_counts_as_the_part_of_a_line_that_it_has_shown(known: Lines) -> None:
    taught = lessons.of_any_age(known, known.day == known.last_day - 11, RATES, lambda rows: np.full(len(rows), 0.4), 1)
    waiting = (taught.happened == 0) & (taught.rows.age == 0)
    # On day 11 half is shown: 0.5 * (1 - 0.4) / (1 - 0.4 * 0.5). A fifth of such lines are back and count 1 each, the
    # others this: half a line each, 0.2 + 0.8 * 0.375 = 0.5.
    assert taught.weight[waiting] == pytest.approx(0.375)
    assert (taught.weight[taught.happened > 0] == 1).all()


def test_of_a_closed_window_each_row_is_a_whole_line(known: Lines) -> None:
    is_closed = known.day <= known.last_day - WINDOW_DAYS
    by_age = lessons.of_any_age(known, is_closed, RATES, _left, 1)
    whole = lessons.closed(known, is_closed, WINDOW_DAYS, 1)
    assert (by_age.weight == 1).all()
    np.testing.assert_array_equal(by_age.rows.index, whole.rows.index)
    np.testing.assert_array_equal(by_age.happened, whole.happened)


def test_what_has_shown_next_to_nothing_is_left_out_whether_it_came_back_or_not(known: Lines) -> None:
    # A line of 2 days has shown nothing, one of 3 days 1 of 18.
    days = {age: lessons.of_any_age(known, known.day == known.last_day - age, RATES, _left, 1) for age in (2, 3)}
    assert len(days[2].rows) == 0
    assert len(days[3].rows) > 0


def test_a_rare_outcome_keeps_its_rate_when_rows_are_sampled() -> None:
    happened = np.zeros(70_000)
    happened[::100] = 1
    fitted = fit_regression(np.zeros((70_000, len(FEATURES)), np.float32), happened, np.ones(70_000), 1)
    assert 1 / (1 + np.exp(-fitted.log_odds(np.zeros((1, len(FEATURES)), np.float32))[0])) == pytest.approx(
        0.01, abs=1e-4
    )
