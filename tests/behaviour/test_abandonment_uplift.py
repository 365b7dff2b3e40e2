"""What messages add is found where it is planted, not found where there is nothing, and never where data is thin."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from planted_decisions import HORIZON_DAYS, LAST, LIFT, tables
from planted_experiment import CATEGORIES, ORDERS, experiment

from models import questions
from models.abandonment.features import Inputs
from models.abandonment.model import CartModel
from models.abandonment.uplift import MEAN_LIFT, X_LEARNER, Experiment, learn_effect
from models.description import Recipe
from models.rolling import Rolling
from models.tables import day_number


def test_carts_that_a_message_wins_are_told_from_those_it_drives_away() -> None:
    tried = experiment(12_000, (1.0, -0.3))
    effect = learn_effect(tried, CATEGORIES, 7)
    assert effect
    assert effect.method == X_LEARNER
    found = effect(tried.made, tried.chance) / tried.chance
    many = tried.made[:, ORDERS] > 0
    assert found[~many].mean() == pytest.approx(1.0, abs=0.25)
    assert found[many].mean() == pytest.approx(-0.3, abs=0.25)


def test_one_lift_for_all_is_not_taken_for_many() -> None:
    effect = learn_effect(experiment(12_000, (0.6, 0.6)), CATEGORIES, 7)
    assert effect
    assert effect.method == MEAN_LIFT
    assert effect.lift == pytest.approx(0.6, abs=0.15)


def test_nothing_is_seldom_taken_for_something() -> None:
    found = [learn_effect(experiment(6_000, (0.0, 0.0), seed), CATEGORIES, 7) for seed in range(12)]
    # By chance 1 of 20 has a slope, and 1 of 10 a lift: more than 5 of 12 happens once in 200 times.
    assert sum(effect is not None for effect in found) <= 5


def test_a_small_experiment_tells_nothing() -> None:
    # 800 carts of a chance of 0.15: 60 bought in each group.
    assert learn_effect(experiment(800, (1.0, 1.0)), CATEGORIES, 7) is None
    assert learn_effect(experiment(12_000, (1.0, 1.0)).chosen(np.zeros(12_000, bool)), CATEGORIES, 7) is None


def test_scores_are_right_on_average_though_the_chances_are_wrong() -> None:
    tried = experiment(40_000, (0.5, 0.5))
    true = 0.5 * tried.chance.mean()
    wrong = Experiment(tried.index, tried.made, tried.chance * 1.5, tried.is_treated, tried.propensity, tried.bought)
    for each in (tried, wrong):
        scores = each.scores(np.full(40_000, 0.2))
        assert scores.mean() == pytest.approx(true, abs=4 * scores.std() / 200)


def test_the_model_that_is_kept_states_what_a_message_adds_and_those_only_judged_do_not_learn_it() -> None:
    question, origin = questions.question("abandonment", HORIZON_DAYS), LAST - timedelta(days=HORIZON_DAYS)
    recipe = Recipe("lightgbm", {**question.recipe(7).parameters, "rounds": 60}, 7)
    history = question.read(tables(carts=16_000))
    assert question.learn(recipe, history, origin).effect is None
    with Rolling(question, history, {"it": recipe}, threads=1) as rolling:
        model = rolling.fit("it", origin, HORIZON_DAYS)
    assert isinstance(model, CartModel)
    index = np.flatnonzero((history.moment == "night") & (history.day > day_number(LAST) - 40))
    inputs = Inputs.of_rows(history, index)
    told = model.told(inputs)
    assert set(told["effect_method"]) <= {X_LEARNER, MEAN_LIFT}
    # A message doubles the chance.
    share = told["message_effect"].sum() / told["purchase_probability"].sum()
    assert share == pytest.approx(LIFT, abs=0.35)
    again = CartModel.from_files(model.files())
    assert again.version == model.version
    assert again.told(inputs).equals(told)
