"""The model of carts learns what is planted, is not misled by messages, and sees nothing later than its row."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from planted_decisions import FIRST, HORIZON_DAYS, LAST, LIFT, chances, known, tables

from models.abandonment import example
from models.abandonment.carts import Carts
from models.abandonment.features import Inputs, raw_frame
from models.abandonment.model import LIGHTGBM, CartModel
from models.abandonment.question import Question
from models.description import Recipe, TooLittleDataError
from models.splits import ClosedWindow
from models.tables import day_number

QUESTION = Question(HORIZON_DAYS)
# Fewer trees than it would grow, for speed.
RECIPE = Recipe(LIGHTGBM, {**QUESTION.recipe(7).parameters, "rounds": 80}, 7)
ORIGIN = LAST - timedelta(days=3 * HORIZON_DAYS)


@pytest.fixture(scope="module")
def made() -> dict[str, pd.DataFrame]:
    return tables()


@pytest.fixture(scope="module")
def history(made: dict[str, pd.DataFrame]) -> Carts:
    return QUESTION.read(made)


@pytest.fixture(scope="module")
def model(history: Carts) -> CartModel:
    return _complete(history)


def _complete(history: Carts) -> CartModel:
    return QUESTION.complete(RECIPE, QUESTION.learn(RECIPE, history, ORIGIN), history, ORIGIN)


def _later(history: Carts, moment: str) -> np.ndarray:
    """Rows of a moment that were decided on after all that the model has seen."""
    return np.flatnonzero((history.moment == moment) & (history.day > day_number(ORIGIN)))


def _chances(history: Carts, index: np.ndarray) -> np.ndarray:
    return chances(history.numbers("earlier_order_count")[index], history.numbers("has_checkout")[index] > 0)


def test_it_states_the_chance_without_a_message_although_half_were_written_to(history: Carts, model: CartModel) -> None:
    index = _later(history, "night")
    stated, true = model.probability(Inputs.of_rows(history, index)), _chances(history, index)
    # Who takes messages for nothing learns this instead.
    poisoned = true * (1 + LIFT / 2)
    assert abs(stated.mean() - true.mean()) < 0.33 * (poisoned.mean() - true.mean())
    assert np.corrcoef(stated, true)[0, 1] > 0.9
    for low, high in ((0, 0.1), (0.1, 0.2), (0.2, 0.5)):
        here = (true >= low) & (true < high)
        assert abs(stated[here].mean() - true[here].mean()) < 0.04


def test_what_is_bought_at_once_is_told_apart_by_its_device(history: Carts, model: CartModel) -> None:
    index = _later(history, "added")
    stated = model.probability(Inputs.of_rows(history, index))
    desktop = history.frame["device"].to_numpy()[index] == "desktop"
    # Half of the carts have 0.65 or 0.35; of those left some more are bought two days later.
    back = chances(np.arange(6), np.array([False]))[:, None] * np.array([0.6 + 0.4 * 2])
    assert stated[desktop].mean() == pytest.approx(0.65 + 0.35 * back.mean(), abs=0.04)
    assert stated[~desktop].mean() == pytest.approx(0.35 + 0.65 * back.mean(), abs=0.04)


def test_it_is_better_than_the_rule(history: Carts, model: CartModel) -> None:
    cases = QUESTION.cases(history, ClosedWindow(ORIGIN, HORIZON_DAYS))
    loss = {}
    for method in ("lightgbm", "recency_rule", "logistic_regression"):
        learned = model if method == "lightgbm" else QUESTION.learn(Recipe(method), history, ORIGIN)
        judged = QUESTION.judge(learned, cases)
        assert abs(judged["purchase.gap"].mean()) < 0.05
        loss[method] = judged["log_loss.part"].mean()
    assert loss["lightgbm"] < loss["recency_rule"]
    assert loss["lightgbm"] < 1.02 * loss["logistic_regression"]
    assert set(judged["moment"]) == {"added", "idle", "night"}


def test_what_happens_after_the_cut_changes_no_model_and_no_score(
    made: dict[str, pd.DataFrame], history: Carts, model: CartModel
) -> None:
    then = known(made, ORIGIN)
    assert model.effect
    assert _complete(then).version == model.version
    # Of the carts decided on by then what became known later is given to others.
    draw, bought = np.random.default_rng(1), made["feat_cart_purchase"].copy()
    is_later = (bought["purchased_on"] > ORIGIN).to_numpy()
    bought.loc[is_later, "cart_key"] = draw.permutation(bought.loc[is_later, "cart_key"])
    messages = made["feat_cart_message"].copy()
    messages.loc[messages["assigned_on"] > ORIGIN, "experiment_group"] = "treatment"
    others = QUESTION.read({**made, "feat_cart_purchase": bought, "feat_cart_message": messages})
    assert _complete(others).version == model.version
    scores = [QUESTION.score(model, each) for each in (then, history.until(day_number(ORIGIN)))]
    assert len(scores[0]) > 10
    pd.testing.assert_frame_equal(*scores)


def test_a_column_that_foretells_the_outcome_is_not_picked_up(made: dict[str, pd.DataFrame], model: CartModel) -> None:
    will_buy = made["feat_cart"]["cart_key"].isin(made["feat_cart_purchase"]["cart_key"])
    told = {
        **made,
        "feat_cart": made["feat_cart"].assign(checkout_started_later=will_buy, order_id=will_buy.astype(str)),
        "feat_cart_message": made["feat_cart_message"].assign(was_opened=True),
    }
    assert _complete(QUESTION.read(told)).version == model.version


def _one_cart(bought_after_days: float | None, held_from_hours: float = -1.0, is_bot: bool = False) -> Carts:
    """The cart of the example, bought so long after its nightly cut, of goods put in so long after the cut."""
    given = example.tables()
    given["feat_cart"] = given["feat_cart"].assign(is_bot=is_bot)
    if bought_after_days is not None:
        cut = pd.Timestamp(2025, 1, 7)
        at = cut + pd.Timedelta(days=bought_after_days)
        given["feat_cart_purchase"] = pd.DataFrame(
            {
                "cart_key": ["k1"],
                "purchased_at": [at],
                "purchased_on": [at.date()],
                "held_from_at": [cut + pd.Timedelta(hours=held_from_hours)],
            }
        )
    return QUESTION.read(given)


#   bought, days after the cut | its goods were put in, hours from the cut | does it count, idle and at night?
OUTCOMES = [
    (None, -20.0, (0.0, 0.0)),
    (0.5, -20.0, (1.0, 1.0)),
    # The cut ends 6 January: the seventh day after it is the 13th.
    (6.9, -20.0, (1.0, 1.0)),
    (7.1, -20.0, (0.0, 0.0)),
    # Bought between half an hour and the cut.
    (-0.1, -20.0, (1.0, 0.0)),
    # What was bought was put in only after the half hour; after the cut.
    (0.5, -2.0, (0.0, 1.0)),
    (0.5, 2.0, (0.0, 0.0)),
]


@pytest.mark.parametrize(("bought", "held_from", "counts"), OUTCOMES)
def test_a_purchase_counts_after_the_decision_within_the_horizon_and_of_what_the_cart_then_held(
    bought: float | None, held_from: float, counts: tuple[float, float]
) -> None:
    carts = _one_cart(bought, held_from)
    assert carts.moment.tolist() == ["idle", "night"]
    assert tuple(carts.happened(HORIZON_DAYS)) == counts


def test_bots_and_what_is_bought_by_a_late_click_teach_nothing() -> None:
    both = np.array([True, True])
    assert _one_cart(0.5).unwritten(both).tolist() == [0, 1]
    assert _one_cart(0.5, is_bot=True).unwritten(both).tolist() == []
    # The click that bought it before the cut came after the cut, else the night had no row.
    assert _one_cart(-0.1).unwritten(both).tolist() == [0]


#   group, propensity, sent | how often the row stands for itself and others
WRITTEN = [
    (None, None, False, 1),
    (None, None, True, 0),
    ("treatment", 0.5, True, 0),
    # Drawn, and then not sent: whoever drew it meant to.
    ("treatment", 0.5, False, 0),
    ("holdout", 0.5, False, 2),
    ("holdout", 0.9, False, 10),
    ("holdout", None, False, 1),
]


@pytest.mark.parametrize(("group", "propensity", "is_sent", "times"), WRITTEN)
def test_a_cart_held_out_stands_for_those_written_to(
    group: str | None, propensity: float | None, is_sent: bool, times: int
) -> None:
    given = example.tables()
    sent = pd.Timestamp(2025, 1, 6, 20) if is_sent else pd.NaT
    given["feat_cart_message"] = pd.DataFrame(
        {
            "cart_key": ["k1"],
            "experiment_group": [group],
            "propensity": [propensity],
            "assigned_on": [date(2025, 1, 6)],
            "sent_at": [sent],
        }
    )
    assert QUESTION.read(given).unwritten(np.array([False, True])).tolist() == [1] * times


def test_a_served_frame_and_files_give_the_same_numbers(history: Carts, model: CartModel) -> None:
    inputs = Inputs.of_rows(history, np.flatnonzero(history.day > day_number(ORIGIN)))
    nightly, asked = model.told(inputs), raw_frame(inputs)
    again = CartModel.from_files(model.files())
    assert again.version == model.version
    pd.testing.assert_frame_equal(again.predict(asked), nightly)
    for method in ("recency_rule", "logistic_regression"):
        rival = QUESTION.learn(Recipe(method), history, ORIGIN)
        stored = CartModel.from_files(rival.files())
        assert stored.version == rival.version != model.version
        pd.testing.assert_frame_equal(stored.predict(asked), rival.told(inputs))
    assert len(model.predict(QUESTION.example())) == example.SIZE


def test_three_reasons_a_cart_speak_of_what_is_known_of_it(history: Carts, model: CartModel) -> None:
    index = _later(history, "night")
    told = model.told(Inputs.of_rows(history, index))
    reasons = told[["reason_1", "reason_2", "reason_3"]]
    assert reasons.notna().all(axis=None)
    assert (reasons.nunique(axis=1) == 3).all()
    likeliest = reasons.iloc[told["purchase_probability"].to_numpy().argmax()]
    assert "raises it: the checkout was begun" in set(likeliest)
    assert any(str(reason).startswith("raises it: logged in, ") for reason in likeliest)


def test_too_short_a_history_is_told(history: Carts) -> None:
    with pytest.raises(TooLittleDataError, match="carts bought or not"):
        QUESTION.learn(RECIPE, history, FIRST + timedelta(days=40))


def test_a_shop_that_knows_nobody_and_counts_no_stock_still_gets_a_rule() -> None:
    given = tables(carts=2_000)
    numbers = (
        "earlier_order_count",
        "lead_units_on_hand",
        "lead_price_to_usual_pct",
        "visit_hour",
        "order_recency_days",
    )
    unknown = dict.fromkeys(numbers, np.nan) | {"customer_id": None, "is_known": False, "device": None}
    empty = {name: given[name].iloc[:0] for name in ("feat_cart_purchase", "feat_cart_message")}
    carts = QUESTION.read({**given, **empty, "feat_cart": given["feat_cart"].assign(**unknown)})
    scored = QUESTION.score(QUESTION.learn(Recipe("recency_rule"), carts, LAST), carts)
    assert len(scored) == ((given["feat_cart"]["moment"] == "night") & (given["feat_cart"]["decided_on"] == LAST)).sum()
    assert scored["purchase_probability"].between(0, 1).all()


def test_the_last_day_is_the_nights_own_even_when_no_cart_was_filled() -> None:
    quiet = example.tables()
    quiet["feat_night"]["as_of"] = date(2025, 2, 1)
    assert QUESTION.days(QUESTION.read(quiet)) == (date(2025, 1, 6), date(2025, 2, 1))
