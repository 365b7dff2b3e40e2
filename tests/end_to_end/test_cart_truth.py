"""Carts of a store without dirt are the truth: what is in them, their states, and who came back for them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from published import Night
from shop import LAST_DAY

PAUSE = pd.Timedelta(hours=24)


@pytest.fixture(scope="module")
def night(night_home: Path) -> Night:
    return Night(night_home)


def _visits_with_carts(night: Night) -> pd.DataFrame:
    """A row per visit that touched a cart, if all its visitor's clicks have arrived, in order of time."""
    return night.frame(
        """
        with clicks as (
            select distinct on (event_id) * from raw_events
            where event_type in ('add_to_cart', 'remove_from_cart', 'checkout_start', 'purchase')
        ),
        incomplete as (
            select visitor_id from truth_session
            left join (select session_id, count(distinct event_id) as arrived from raw_events group by 1)
            using (session_id)
            where arrived is distinct from events
        )
        select session_id, clicks.visitor_id, min(occurred_at) as first_at, max(occurred_at) as last_at,
            bool_or(event_type = 'purchase') as buys, max(clicks.order_id) as order_id,
            any_value(cart.started_at) as started_at, any_value(units) as units, any_value(cart_value) as cart_value,
            bool_or(event_type = 'checkout_start') as checks_out, any_value(cart.order_id) as bought_by
        from clicks left join truth_cart as cart on cart.cart_id = session_id
        where clicks.visitor_id not in (from incomplete)
            and session_id not in (
                select session_id from clicks join truth_fraud using (order_id)
            )
        group by all order by visitor_id, first_at"""
    )


def _true_carts(visits: pd.DataFrame) -> pd.DataFrame:
    """The truth's carts, those joined that lie no longer apart than a cart may rest; see `fct_carts`."""
    carts: list[dict[str, object]] = []
    current: dict[str, object] = {}
    for visit in visits.itertuples():
        goes_on = (
            current.get("visitor_id") == visit.visitor_id
            and not current["buys"]
            and visit.first_at <= current["last_at"] + PAUSE  # type: ignore[operator]
        )
        if not goes_on:
            current = {"visitor_id": visit.visitor_id, "started_at": visit.started_at, "units": 0, "cart_amount": 0.0}
            current |= {"has_checkout": False, "bought_by": None}
            carts.append(current)
        if not pd.isna(visit.started_at):
            current["started_at"] = visit.started_at if pd.isna(current["started_at"]) else current["started_at"]
            current["units"] += int(visit.units)  # type: ignore[operator]
            current["cart_amount"] = round(current["cart_amount"] + visit.cart_value, 2)  # type: ignore[operator]
            current["bought_by"] = visit.bought_by
        current["has_checkout"] = current["has_checkout"] or visit.checks_out
        current |= {"last_at": visit.last_at, "buys": visit.buys, "order_id": visit.order_id}
    # A visit that put nothing in is no cart, and one that took all out again is none in the truth.
    return pd.DataFrame(carts).dropna(subset=["started_at"])


def test_carts_and_their_states(night: Night) -> None:
    visits = _visits_with_carts(night)
    true = _true_carts(visits).set_index(["visitor_id", "started_at"]).sort_index()
    made = night.frame("from marts.fct_carts where cart_units > 0").set_index(["visitor_id", "started_at"])
    made = made[made.index.isin(true.index) | made.index.get_level_values(0).isin(visits["visitor_id"])].sort_index()
    assert len(true) > 500
    assert list(made.index) == list(true.index)
    made.index = true.index
    assert (made["cart_units"] == true["units"]).all()
    assert (made["cart_amount"].round(2) == true["cart_amount"].round(2)).all()
    assert (made["last_activity_at"] == true["last_at"]).all()
    assert (made["has_checkout"] == true["has_checkout"]).all()
    # In summer time the last business day ends at 23:00 UTC.
    end = pd.Timestamp(LAST_DAY) + pd.Timedelta(hours=23)
    state = pd.Series("open", index=true.index).mask(true["has_checkout"], "checked_out")
    state = state.mask(true["last_at"] + PAUSE <= end, "abandoned").mask(true["buys"], "bought")
    settled = ~made["is_recovered"]
    assert (made["state"][settled] == state[settled]).all()
    assert (made["order_id"][made["state"].eq("bought") & settled] == true["order_id"][true["buys"]]).all()
    assert set(state) == {"open", "checked_out", "abandoned", "bought"}


def test_a_cart_bought_by_a_later_visit_is_seen_unless_nobody_can_know_its_owner(night: Night) -> None:
    """A stranger who comes back on another device, or with a new cookie, cannot be told from others."""
    visits = _visits_with_carts(night)
    true = _true_carts(visits).set_index(["visitor_id", "started_at"])
    made = night.frame("from marts.fct_carts").set_index(["visitor_id", "started_at"]).reindex(true.index)
    came_back = true["bought_by"].notna() & ~true["buys"]
    recovered = made["is_recovered"].fillna(False).astype(bool)
    right = recovered & (made["order_id"] == true["bought_by"])
    assert came_back.sum() > 30
    assert right.sum() / recovered.sum() >= 0.95
    assert right.sum() / came_back.sum() >= 0.9
