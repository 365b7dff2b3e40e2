"""The chances of carts are calibrated, and the experiment with messages is one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import planted_carts
import pytest
from chance import LIMIT, bins, is_share, z_of_counts
from planted import Planted

EFFECTS = {"new": 1.0, "occasional": 0.6, "loyal": -0.15}


def _weight(carts: pd.DataFrame) -> pd.Series:
    """So that carts stand for what would be without messages: held-out ones count for the treated as well."""
    return carts["experiment_group"].map({"holdout": 2.0, "treatment": 0.0}).fillna(1.0)


def _assert_calibrated(carts: pd.DataFrame, chance: pd.Series, by: pd.Series | None = None) -> None:
    weight, cells = _weight(carts), pd.Series("all", index=carts.index) if by is None else by
    for _, rows in carts.groupby(cells):
        at = rows.index
        assert abs(z_of_counts(rows["is_purchased"], chance[at], weight[at])) < LIMIT


@pytest.mark.parametrize("when", ["added", "carted"])
def test_carts_are_bought_within_a_week_as_often_as_could_be_known(planted: Planted, when: str) -> None:
    carts = planted_carts.closed_carts(planted)
    chance = carts[f"knowable_purchase_probability_{when}"]
    _assert_calibrated(carts, chance)
    _assert_calibrated(carts, chance, bins(chance, 10))
    for slice_ in ("device", "source", "department", "is_logged_in", "evening", "night"):
        _assert_calibrated(carts, chance, carts[slice_])


def test_the_whole_cart_tells_more_than_its_first_item(planted: Planted) -> None:
    carts = planted_carts.closed_carts(planted)
    added, carted = (carts[f"knowable_purchase_probability_{when}"] for when in ("added", "carted"))
    # Carts of a single item worth free shipping are known at once, others gain or lose it.
    assert (added <= carted.where(carts["free_shipping"] == 1, np.inf) + 1e-12).all()
    assert (added >= carted.where(carts["free_shipping"] == 0, 0) - 1e-12).all()
    _assert_calibrated(carts, carted, carts["free_shipping"])
    assert abs(z_of_counts(carts["is_purchased"], added, _weight(carts) * (2 * carts["free_shipping"] - 1))) > LIMIT


def test_idle_carts_are_bought_as_often_as_could_be_known(planted: Planted) -> None:
    carts = planted_carts.closed_carts(planted)
    left = carts[carts["state"] == "abandoned"]
    chance = left["knowable_purchase_probability_idle"]
    assert carts.loc[carts["state"] == "purchased", "knowable_purchase_probability_idle"].isna().all()
    _assert_calibrated(left, chance)
    _assert_calibrated(left, chance, bins(chance, 5))
    for slice_ in ("is_checked_out", "is_known", "segment", "department", "device"):
        _assert_calibrated(left, chance, left[slice_])


def test_carts_left_at_the_checkout_come_back_more_often(planted: Planted) -> None:
    carts = planted_carts.closed_carts(planted)
    left = carts[(carts["state"] == "abandoned")]
    assert is_share(int(left["is_checked_out"].sum()), len(left), 0.35)
    odds = left["knowable_purchase_probability_carted"] / (1.12 - left["knowable_purchase_probability_carted"])
    # 1.6 at the checkout and (1 - 0.35 * 1.6) / 0.65 elsewhere, so that it is 1 on average.
    factor = np.where(left["is_checked_out"], 1.6, (1 - 0.35 * 1.6) / 0.65)
    treated = np.where(left["experiment_group"] == "treatment", 1 + left["segment"].map(EFFECTS), 1.0)
    came = left["true_returned_on"].notna()
    for _, rows in left.groupby("is_checked_out"):
        chance = (0.12 * odds * factor * treated)[rows.index]
        assert abs(z_of_counts(came[rows.index], chance)) < LIMIT
    assert abs(z_of_counts(came, 0.12 * odds * treated, 2 * left["is_checked_out"] - 1.0)) > LIMIT


def test_carts_come_back_within_a_week_and_mostly_soon(planted: Planted) -> None:
    carts = planted_carts.closed_carts(planted)
    came = carts.dropna(subset=["true_returned_on"])
    near_closed_day = (came["on"].dt.month == 12) & came["on"].dt.day.between(18, 24)
    came = came[~near_closed_day]
    after = (came["true_returned_on"] - came["on"]).dt.days
    for days, share in enumerate((0.40, 0.22, 0.14, 0.10, 0.07, 0.04, 0.03), start=1):
        assert is_share(int((after == days).sum()), len(after), share)


@pytest.mark.parametrize("segment", EFFECTS)
def test_the_message_has_the_effect_of_its_segment(planted: Planted, segment: str) -> None:
    carts = planted_carts.closed_carts(planted)
    tried = carts[carts["experiment_group"].notna() & (carts["segment"] == segment)]
    usual = tried["knowable_purchase_probability_idle"]
    assert np.allclose(tried["knowable_message_effect"], EFFECTS[segment] * usual)
    groups = {name: rows["is_purchased"] for name, rows in tried.groupby("experiment_group")}
    found = groups["treatment"].mean() - groups["holdout"].mean()
    error = np.sqrt(sum(bought.var() / len(bought) for bought in groups.values()))
    assert abs(found - tried["knowable_message_effect"].mean()) < LIMIT * error
    if segment != "loyal":
        assert found > LIMIT / 2 * error


def test_segments_go_by_past_orders(planted: Planted) -> None:
    carts = planted_carts.carts(planted)
    left = carts[(carts["state"] == "abandoned") & carts["is_logged_in"] & carts["log_odds"].notna()]
    orders = np.rint(np.expm1(left["past_orders"]))
    expected = np.select([orders == 0, orders < 4], ["new", "occasional"], "loyal")
    assert (left["segment"] == expected).all()


def test_half_of_the_experiment_is_treated_whoever_it_is(planted: Planted) -> None:
    carts = planted_carts.carts(planted)
    tried = carts[carts["experiment_group"].notna()]
    is_treated = tried["experiment_group"] == "treatment"
    assert (tried["propensity"] == 0.5).all()
    assert (tried["state"] == "abandoned").all()
    for slice_ in ("state", "segment", "device", "source", "department", "is_checked_out"):
        for _, rows in is_treated.groupby(tried[slice_]):
            assert is_share(int(rows.sum()), len(rows), 0.5)
