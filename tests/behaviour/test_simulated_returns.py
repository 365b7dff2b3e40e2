"""Lines come back for the published causes, within the window, in part or whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import planted_returns
import pytest
from chance import LIMIT, TAIL, is_share, z_of_counts, z_of_mean
from planted import Planted
from scipy import stats


def test_the_chance_of_a_return_is_that_any_cause_acts(planted: Planted) -> None:
    lines = planted_returns.lines(planted)
    expected = 1 - (1 - lines[list(range(5))]).prod(axis=1)
    # Discounts are rounded to pence, which the mind hardly changes by.
    assert np.allclose(lines["true_return_probability"], expected, atol=1e-9)


@pytest.mark.parametrize("cause", range(5))
def test_each_cause_returns_as_often_as_planted(planted: Planted, cause: int) -> None:
    lines = planted_returns.lines(planted)
    chance = planted_returns.chance_of(lines, cause)
    is_reason = lines["return_reason"] == planted_returns.REASONS[cause]
    assert abs(z_of_counts(is_reason, chance)) < LIMIT
    possible = lines[chance > 0]
    for _, rows in possible.groupby(chance > chance[possible.index].median()):
        assert abs(z_of_counts(is_reason[rows.index], chance[rows.index])) < LIMIT
    assert is_reason[chance == 0].sum() == 0
    assert chance.sum() > LIMIT**2, "a cause that were missing would not be missed"


def test_one_line_in_six_or_so_comes_back(planted: Planted) -> None:
    lines = planted_returns.lines(planted)
    assert abs(z_of_counts(lines["is_returned"], lines["true_return_probability"])) < LIMIT
    assert 0.08 < lines["is_returned"].mean() < 0.25


def test_styles_and_skus_have_their_own_risks(planted: Planted) -> None:
    skus = planted.truth("sku")
    assert stats.kstest(skus["true_quality_risk"], stats.beta(1, 40).cdf).pvalue > TAIL
    is_worn = skus["department"].isin(["Clothing", "Shoes"])
    styles = skus[is_worn].drop_duplicates("style_id")
    assert stats.kstest(styles["true_fit_risk"], stats.beta(2, 12).cdf).pvalue > TAIL
    assert (skus.loc[~is_worn, "true_fit_risk"] == 0).all()
    assert (skus.groupby("style_id")["true_fit_risk"].nunique() == 1).all()


def test_the_second_size_comes_back_in_two_of_five_cases(planted: Planted) -> None:
    lines = planted_returns.lines(planted)
    two = lines[lines["has_two_sizes"]]
    # 0.06 of wishes for what is worn add the next size; styles in demand meet by chance as well.
    worn = lines["department"].isin(["Clothing", "Shoes"])
    assert 2 * 0.06 * 0.9 < len(two) / worn.sum() < 0.35
    rate, others = two["is_returned"].mean(), lines[worn & ~lines["has_two_sizes"]]["is_returned"].mean()
    assert rate - others > LIMIT * np.sqrt(rate * (1 - rate) / len(two))


def test_discounts_change_more_minds(planted: Planted) -> None:
    lines = planted_returns.lines(planted)
    lines = lines[~lines["is_abuser"]]
    changed = lines["return_reason"] == "changed my mind"
    chance = planted_returns.chance_of(lines, 3)
    # Against a world in which the discount did not matter.
    flat = chance / (1 + 2 * lines["discount"])
    on_offer = lines["discount"] > 0.05
    assert abs(z_of_counts(changed[on_offer], chance[on_offer])) < LIMIT
    assert flat[on_offer].sum() < chance[on_offer].sum() * 0.9


def test_abusers_return_far_more(planted: Planted) -> None:
    lines = planted_returns.lines(planted)
    abused = lines[lines["is_abuser"]]
    # 1 - exp(-0.03 * 20) = 0.45 by a changed mind alone.
    assert planted_returns.chance_of(abused, 3).mean() > 0.3
    rate = lines.loc[~lines["is_abuser"], "is_returned"].mean()
    assert stats.binom.sf(int(abused["is_returned"].sum()) - 1, len(abused), rate) < TAIL
    assert abs(z_of_counts(abused["is_returned"], abused["true_return_probability"])) < LIMIT


def test_returns_are_asked_for_within_the_window_and_mostly_soon(planted: Planted) -> None:
    back = planted_returns.lines(planted)[lambda f: f["is_returned"]]
    after = (back["return_requested_on"] - back["true_delivered_on"]).dt.days
    assert after.between(1, 30).all()
    shares, days = planted_returns.delays(), np.arange(1, 31)
    mean = (shares * days).sum()
    assert abs(z_of_mean(after, mean, np.sqrt((shares * days**2).sum() - mean**2))) < LIMIT
    for first, last in ((1, 3), (4, 8), (9, 15), (16, 30)):
        assert is_share(int(after.between(first, last).sum()), len(after), shares[first - 1 : last].sum())


def test_some_returns_are_of_a_part(planted: Planted) -> None:
    back = planted_returns.lines(planted)[lambda f: f["is_returned"]]
    kept = back["quantity"] - back["cancelled_quantity"]
    assert back["returned_quantity"].between(1, kept).all()
    several = back[kept > 1]
    is_partial = several["returned_quantity"] < kept[several.index]
    assert is_share(int(is_partial.sum()), len(several), 0.3)
    # Any number of units below all is alike.
    parts, whole = several["returned_quantity"][is_partial], kept[several.index][is_partial]
    variance = ((whole - 1) ** 2 - 1) / 12
    if variance.sum() > 0:
        assert abs((parts - whole / 2).sum() / np.sqrt(variance.sum())) < LIMIT


def test_returns_are_delivered_as_the_truth_says(planted: Planted) -> None:
    columns = "return_id, order_line_id, status, reason, requested_at, quantity::DOUBLE quantity"
    told = planted.landed("returns", columns).sort_values("ds", kind="stable").drop_duplicates("return_id", keep="last")
    truth = planted_returns.lines(planted)
    due = truth[truth["is_returned"] & (truth["return_requested_on"] <= planted.last_day)]
    both = due.merge(told, on="order_line_id", how="outer", indicator=True)
    assert (both["_merge"] == "both").all()
    assert (both["reason"] == both["return_reason"]).all()
    assert (both["quantity_y"] == both["returned_quantity"]).all()
    asked = both["requested_at"].dt.tz_convert("Europe/London").dt.tz_localize(None).dt.normalize()
    assert (asked == both["return_requested_on"]).all()
    # Received after 3 to 8 days, settled after 1 to 3 more: by then all are refunded or rejected.
    settled = both[both["return_requested_on"] <= planted.last_day - pd.Timedelta(days=11)]
    assert set(settled["status"]) == {"refunded", "rejected"}
    assert is_share(int((settled["status"] == "rejected").sum()), len(settled), 0.03)


def test_cancelled_orders_and_units_are_as_many_as_published(planted: Planted) -> None:
    lines, fraud = planted.lines(), set(planted.truth("fraud")["order_id"])
    orders = lines[~lines["order_id"].isin(fraud)].drop_duplicates("order_id")
    assert is_share(int(orders["is_cancelled"].sum()), len(orders), 0.025)
    assert not lines.loc[lines["is_cancelled"], "is_returned"].any()
    several = lines[(lines["quantity"] > 1) & ~lines["is_cancelled"]]
    assert is_share(int((several["cancelled_quantity"] == 1).sum()), len(several), 0.01)
