"""The returns model learns what is planted, sees nothing later than its row, and errs as sense demands."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import planted_lines
import pytest
from planted_lines import DAYS, FIRST, LAST, WINDOW_DAYS, known, tables

from models.description import Recipe, TooLittleDataError
from models.returns import example, rows
from models.returns.description import DESCRIPTION
from models.returns.features import Inputs, raw_frame
from models.returns.lines import Lines
from models.returns.model import LIGHTGBM, ReturnModel
from models.returns.question import Question
from models.returns.rows import STATE, Rows
from models.splits import ClosedWindow
from models.tables import day_number
from models.trial import Trial

QUESTION = Question(WINDOW_DAYS)
# Fewer trees than it would grow, for speed.
RECIPE = Recipe(LIGHTGBM, {**QUESTION.recipe(7).parameters, "rounds": 50}, 7)
ORIGIN = LAST - timedelta(days=2 * WINDOW_DAYS)


@pytest.fixture(scope="module")
def made() -> dict[str, pd.DataFrame]:
    return tables()


@pytest.fixture(scope="module")
def history(made: dict[str, pd.DataFrame]) -> Lines:
    return QUESTION.read(made)


@pytest.fixture(scope="module")
def model(history: Lines) -> ReturnModel:
    return QUESTION.learn(RECIPE, history, ORIGIN)


@pytest.fixture(scope="module")
def later(history: Lines) -> Rows:
    """Lines ordered after all that the model has seen, at their order."""
    is_later = (history.day > day_number(ORIGIN)) & (history.day <= day_number(ORIGIN) + WINDOW_DAYS)
    return rows.at_order(history, is_later, WINDOW_DAYS)


def _by_hand(returns: list[tuple[str, int, int, float]], units: float = 2.0, days: int = 40) -> Lines:
    """Two lines of one order on day 0; returns of (line, day requested, day known, units)."""
    given = example.tables()
    given["feat_night"]["as_of"] = FIRST + timedelta(days=days)
    line = given["feat_order_line"].assign(ordered_on=FIRST, units=units, units_ordered=units)
    asked = pd.DataFrame(returns, columns=["order_line_id", "requested", "known", "units_requested"])
    for name in ("requested", "known"):
        asked[f"{name}_on"] = [FIRST + timedelta(days=int(day)) for day in asked[name]]
    return QUESTION.read({**given, "feat_order_line": line, "feat_order_line_return": asked})


#   age | what has come back of o1-1 by then, and whether more of it comes within 30 days
OUTCOMES = [
    (0, 0.0, True),
    (4, 0.0, True),
    (5, 0.5, True),
    # The second part is asked for on day 20 and known on day 22.
    (21, 0.5, True),
    (22, 1.0, False),
]


@pytest.mark.parametrize(("age", "part", "is_more_to_come"), OUTCOMES)
def test_a_row_counts_what_was_known_by_its_day_as_past_and_the_rest_as_outcome(
    age: int, part: float, is_more_to_come: bool
) -> None:
    lines = _by_hand([("o1-1", 5, 5, 1.0), ("o1-1", 20, 22, 1.0), ("o1-2", 31, 31, 1.0)])
    both = Rows(lines, np.array([0, 1]), np.array([age, age]), WINDOW_DAYS)
    assert both.returned_by().tolist() == [part, 0.0]
    assert both.column("returned_so_far").tolist() == [part, 0.0]
    assert both.column("order_returned_so_far").tolist() == [0.0, part]
    # What is asked for on day 31 is no return.
    assert both.happened().tolist() == [float(is_more_to_come), 0.0]


def test_open_are_lines_within_the_window_neither_cancelled_nor_all_back() -> None:
    lines = _by_hand([("o1-1", 5, 5, 2.0)], days=40)
    is_open = {age: rows.open_on(lines, day_number(FIRST) + age, WINDOW_DAYS).index.tolist() for age in (0, 5, 29, 30)}
    # After 30 days the window is closed.
    assert is_open == {0: [0, 1], 5: [1], 29: [1], 30: []}
    assert not len(rows.open_on(_by_hand([], units=0.0), day_number(FIRST), WINDOW_DAYS))


def test_it_finds_the_planted_chances(model: ReturnModel, later: Rows) -> None:
    sku = later.lines.frame["sku"].str[1:].astype(int).to_numpy()[later.index]
    customer = later.lines.frame["customer_id"].str[1:].astype(int).to_numpy()[later.index]
    chance = np.linspace(0.02, 0.5, planted_lines.SKUS)[sku] * np.where(customer % 3 == 0, 2.0, 1.0)
    stated = model.probability(Inputs.of_rows(later))
    assert np.corrcoef(stated, chance)[0, 1] > 0.9
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 1.01)):
        here = (stated >= low) & (stated < high)
        assert abs(stated[here].mean() - chance[here].mean()) < max(0.05, chance[here].mean() / 10)


def test_it_is_better_than_its_rivals_after_the_order_and_later(history: Lines, model: ReturnModel) -> None:
    cases = QUESTION.cases(history, ClosedWindow(ORIGIN, WINDOW_DAYS))
    loss, cards = {}, {}
    for method in ("lightgbm", "sku_rate", "logistic_regression"):
        learned = model if method == "lightgbm" else QUESTION.learn(Recipe(method), history, ORIGIN)
        judged = QUESTION.judge(learned, cases)
        assert abs(judged["return.gap"].mean()) < 0.02
        loss[method], cards[method] = judged["log_loss.part"].mean(), judged
    assert loss["lightgbm"] < loss["sku_rate"]
    # The chances are products of two traits, which is all but what a regression of log-odds says.
    assert loss["lightgbm"] < 1.02 * loss["logistic_regression"]
    assert set(judged["moment"]) == {"order", "shipment", "later"}
    # Every third customer sends back twice as often; where an order ships to tells nothing.
    trial = Trial(DESCRIPTION, cards)
    assert set(trial.groups) == {"buyer returning", "buyer many returns", "country FR", "country GB"}
    stated = {group: trial.stated("lightgbm", "return", group).value for group in trial.groups}
    assert stated["buyer many returns"] > 1.5 * stated["buyer returning"]
    assert abs(stated["country FR"] - stated["country GB"]) < 0.03


def test_what_happens_after_the_cut_changes_no_model_and_no_score(
    made: dict[str, pd.DataFrame], history: Lines, model: ReturnModel
) -> None:
    then = known(made, ORIGIN)
    assert QUESTION.learn(RECIPE, then, ORIGIN).version == model.version
    draw = np.random.default_rng(1)
    asked = made["feat_order_line_return"]
    is_later = (asked["known_on"] > ORIGIN).to_numpy()
    shuffled = asked.copy()
    shuffled.loc[is_later, "order_line_id"] = draw.permutation(shuffled.loc[is_later, "order_line_id"])
    others = QUESTION.read({**made, "feat_order_line_return": shuffled})
    assert QUESTION.learn(RECIPE, others, ORIGIN).version == model.version
    scores = [QUESTION.score(model, each) for each in (then, history.until(day_number(ORIGIN)))]
    assert len(scores[0]) > 500
    pd.testing.assert_frame_equal(*scores)


@pytest.mark.parametrize("age", [0, 1, 5, 20])
def test_no_state_of_a_row_knows_of_a_later_day(made: dict[str, pd.DataFrame], history: Lines, age: int) -> None:
    day = FIRST + timedelta(days=DAYS // 2)
    ordered = np.flatnonzero(history.day == day_number(day) - age)
    then = known(made, day)
    assert len(ordered)
    at = [Rows(lines, ordered, np.full(len(ordered), age), WINDOW_DAYS) for lines in (history, then)]
    for name in STATE:
        np.testing.assert_array_equal(at[0].column(name), at[1].column(name), err_msg=name)


def test_a_column_that_foretells_the_outcome_is_not_picked_up(
    made: dict[str, pd.DataFrame], model: ReturnModel
) -> None:
    will_return = made["feat_order_line"]["order_line_id"].isin(made["feat_order_line_return"]["order_line_id"])
    told = {
        **made,
        # The country an order ships to is read, for people to judge by: no model may learn from it.
        "feat_order_line": made["feat_order_line"].assign(
            will_return=will_return, sku_returned_later=will_return, ship_country=np.where(will_return, "FR", "GB")
        ),
        "feat_order_shipment": made["feat_order_shipment"].assign(returned_on=LAST),
    }
    assert QUESTION.learn(RECIPE, QUESTION.read(told), ORIGIN).version == model.version


def test_more_past_returns_never_lower_a_customers_risk(model: ReturnModel, later: Rows) -> None:
    asked = raw_frame(later)
    before, lowered = model.predict(asked)["return_probability"], 0
    for more in (1, 3, 10):
        returned = np.minimum(asked["customer_returned"] + more, asked["customer_lines"])
        after = model.predict(asked.assign(customer_returned=returned))["return_probability"]
        lowered += int((after < before - 1e-12).sum())
        assert (after > before + 0.001).any()
    assert lowered == 0


def test_a_served_frame_and_files_give_the_same_numbers(model: ReturnModel, later: Rows) -> None:
    nightly = model.told(Inputs.of_rows(later))
    again = ReturnModel.from_files(model.files())
    assert again.version == model.version
    pd.testing.assert_frame_equal(again.predict(raw_frame(later)), nightly)
    for method in ("sku_rate", "logistic_regression"):
        rival = QUESTION.learn(Recipe(method), later.lines, ORIGIN)
        stored = ReturnModel.from_files(rival.files())
        assert stored.version == rival.version != model.version
        pd.testing.assert_frame_equal(stored.predict(raw_frame(later)), rival.told(Inputs.of_rows(later)))
    assert len(model.predict(QUESTION.example())) == example.SIZE


def test_three_reasons_a_line_speak_of_what_was_counted(model: ReturnModel, later: Rows) -> None:
    told = model.told(Inputs.of_rows(later))
    reasons = told[["reason_1", "reason_2", "reason_3"]]
    assert reasons.notna().all(axis=None)
    assert (reasons.nunique(axis=1) == 3).all()
    risky = told["return_probability"].to_numpy().argmax()
    lines, back = (int(later.column(name)[risky]) for name in ("sku_lines", "sku_returned"))
    assert f"raises it: {back} of {lines} lines of the SKU came back so far" in set(reasons.iloc[risky])


def test_too_short_a_history_is_told(history: Lines) -> None:
    with pytest.raises(TooLittleDataError, match="returned lines"):
        QUESTION.learn(RECIPE, history, FIRST + timedelta(days=95))


def test_a_shop_without_returns_parcels_customers_or_attributes_still_gets_a_rate() -> None:
    given = tables(lines=2_000)
    bare = given["feat_order_line"].assign(
        customer_id=None, category_1=None, channel=None, past_order_count=np.nan, unit_price=np.nan
    )
    empty = {name: given[name].iloc[:0] for name in ("feat_order_line_return", "feat_order_shipment")}
    lines = QUESTION.read({**given, "feat_order_line": bare, **empty})
    scored = QUESTION.score(QUESTION.learn(Recipe("sku_rate"), lines, LAST), lines)
    assert len(scored) == (pd.Series(bare["ordered_on"]) > LAST - timedelta(days=WINDOW_DAYS)).sum()
    assert scored["return_probability"].between(0, 1).all()


def test_the_last_day_is_the_nights_own_even_when_nothing_was_ordered(history: Lines) -> None:
    quiet = example.tables()
    quiet["feat_night"]["as_of"] = date(2025, 2, 1)
    assert QUESTION.days(QUESTION.read(quiet)) == (date(2025, 1, 6), date(2025, 2, 1))
