"""What moves the chance of a cart to be bought in its visit: the published effects, and the purchases that follow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import planted_carts
import pytest
from chance import LIMIT, is_share, z_of_counts
from planted import Planted
from planted_carts import LOG_ODDS

# Of which so few carts have it, or so small an effect, that purchases alone would not tell it from none.
FAINT = {"tablet", "affiliate", "low_stock"}


def _at_once(store: Planted) -> pd.DataFrame:
    """Carts with known features and the chance to be bought in their visit: a share of 0.12 of it comes later."""
    carts = planted_carts.carts(store).dropna(subset=["log_odds"])
    return carts.assign(chance=carts["knowable_purchase_probability_carted"] / 1.12)


def test_the_chance_is_the_published_one(planted: Planted) -> None:
    carts = _at_once(planted)
    expected = np.clip(1 / (1 + np.exp(-carts["log_odds"])), 0.08, 0.65)
    is_equal = np.isclose(carts["chance"], expected, atol=1e-9)
    # A visit so near to midnight that it is moved to end before may tell another hour, and two items of a cart that
    # were put in within the same second another price.
    assert is_equal.mean() > 0.999


def test_chances_lie_within_their_bounds(planted: Planted) -> None:
    carts = _at_once(planted)
    assert carts["chance"].min() >= 0.08 - 1e-12
    assert carts["chance"].max() == pytest.approx(0.65)
    assert len(carts) > 0.8 * len(planted.truth("cart"))


@pytest.mark.parametrize("effect", LOG_ODDS)
def test_purchases_answer_to_what_moves_the_chance(planted: Planted, effect: str) -> None:
    carts = _at_once(planted)
    carts = carts[carts["chance"] < 0.65 - 1e-9]
    noise = carts["chance"] * (1 - carts["chance"])
    # One Newton step of a logistic regression from the published coefficient, beside an intercept.
    x = carts[effect] - (noise * carts[effect]).sum() / noise.sum()
    information = (noise * x**2).sum()
    found = LOG_ODDS[effect] + (x * (carts["is_bought_at_once"] - carts["chance"])).sum() / information
    error = 1 / np.sqrt(information)
    assert abs(found - LOG_ODDS[effect]) < LIMIT * error
    if effect not in FAINT:
        assert abs(found) > LIMIT * error / 2
        assert abs(LOG_ODDS[effect]) > LIMIT * error, "an effect that were missing would not be missed"


@pytest.mark.parametrize("cell", ["device", "source", "hour", "is_logged_in", "department", "items", "is_member"])
def test_shares_bought_at_once_are_those_of_their_cell(planted: Planted, cell: str) -> None:
    carts = _at_once(planted).assign(is_member=lambda f: f["is_known"])
    # Whether somebody without a log-in has an account shows at the checkout, so among carts left it tells of more.
    carts = carts[carts["is_logged_in"]] if cell == "is_member" else carts
    for _, rows in carts.groupby(np.minimum(carts[cell], 4) if cell == "items" else carts[cell]):
        assert abs(z_of_counts(rows["is_bought_at_once"], rows["chance"])) < LIMIT


def test_buyers_have_the_published_devices_sources_and_log_ins(planted: Planted) -> None:
    buyers = planted_carts.carts(planted)[lambda f: f["is_bought_at_once"]]
    for device, share in (("mobile", 0.55), ("desktop", 0.38), ("tablet", 0.07)):
        assert is_share(int((buyers["device"] == device).sum()), len(buyers), share)
    shares = {"search": 0.38, "direct": 0.29, "email": 0.17, "social": 0.08, "affiliate": 0.08}
    for source, share in shares.items():
        # The five are 1 together.
        assert is_share(int((buyers["source"] == source).sum()), len(buyers), share / sum(shares.values()))
    # Guests, 0.08 of buyers, are never logged in, half of the others are from the start.
    assert is_share(int(buyers["is_logged_in"].sum()), len(buyers), 0.92 * 0.5)
    assert is_share(int(buyers["is_known"].sum()), len(buyers), 1 - 0.08)


def test_people_come_by_the_published_hours(planted: Planted) -> None:
    carts = planted_carts.carts(planted)
    buyers = carts[carts["is_bought_at_once"]]
    hours = np.array((2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 10, 11, 10, 9, 9, 9, 10, 11, 13, 14, 13, 9, 5))
    # A visit that would run past midnight begins earlier, so the last hours are told together.
    for first, last in ((0, 6), (7, 11), (12, 15), (16, 18), (19, 20), (21, 23)):
        count = int(buyers["hour"].between(first, last).sum())
        assert is_share(count, len(buyers), hours[first : last + 1].sum() / hours.sum())
