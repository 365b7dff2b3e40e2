"""Feature tables of a shop whose carts are bought, with a message and without one, by chances that a test knows."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from models.abandonment.carts import CATEGORIES, NUMBERS, Carts

FIRST, DAYS, HORIZON_DAYS = date(2025, 1, 1), 140, 7
LAST = FIRST + timedelta(days=DAYS - 1)
# What a message adds to the chance of a cart left behind, as a share of it.
LIFT = 1.0


def chances(orders: np.ndarray, has_checkout: np.ndarray) -> np.ndarray:
    """Of a cart left behind, without a message."""
    return np.asarray(0.04 * (1 + np.minimum(orders, 4)) * np.where(has_checkout, 2.0, 1.0))


def tables(seed: int = 3, carts: int = 12_000) -> dict[str, pd.DataFrame]:
    """Half of the carts are bought within the hour; the others are left, and bought two days later by `chances`.

    Of those left half are drawn for a message, which raises the chance by `LIFT`.
    """
    draw = np.random.default_rng(seed)
    day = np.sort(draw.integers(0, DAYS, carts))
    orders, has_checkout = draw.integers(0, 6, carts), draw.random(carts) < 0.4
    device = np.where(draw.random(carts) < 0.5, "desktop", "mobile")
    at_once = draw.random(carts) < np.where(device == "desktop", 0.65, 0.35)
    is_treated = ~at_once & (draw.random(carts) < 0.5)
    chance = chances(orders, has_checkout) * np.where(is_treated, 1 + LIFT, 1.0)
    later = ~at_once & (draw.random(carts) < chance)
    base = pd.DataFrame(
        {
            "cart_key": [f"k{n:06d}" for n in range(carts)],
            "visitor_id": [f"v{n}" for n in range(carts)],
            "customer_id": [f"c{n}" for n in range(carts)],
            "store_margin_amount": 10.0,
            "is_bot": False,
            **dict.fromkeys(NUMBERS, 1.0),
            **dict.fromkeys(CATEGORIES, "a"),
            "device": device,
            "earlier_order_count": orders.astype(float),
            "has_checkout": has_checkout,
            "nights_count": np.nan,
            "cart_amount": draw.integers(10, 90, carts).astype(float),
        }
    )
    noon = [datetime.combine(_on(n), datetime.min.time()) + timedelta(hours=12) for n in day]
    added = base.assign(moment="added", decided_on=[_on(n) for n in day], decision_at=noon, has_checkout=False)
    left = base[~at_once]
    noons = [at for at, bought in zip(noon, at_once, strict=True) if not bought]
    idle = left.assign(moment="idle", decided_on=[at.date() for at in noons])
    idle["decision_at"] = [at + timedelta(minutes=40) for at in noons]
    night = idle.assign(moment="night", nights_count=0.0, decision_at=[at + timedelta(hours=12) for at in noons])
    after = np.where(later, 2, 0)[at_once | later]
    bought = base[at_once | later]
    instants = [at for at, is_bought in zip(noon, at_once | later, strict=True) if is_bought]
    purchases = pd.DataFrame(
        {
            "cart_key": bought["cart_key"],
            "purchased_at": [at + timedelta(days=int(n), minutes=20) for at, n in zip(instants, after, strict=True)],
            "purchased_on": [at.date() + timedelta(days=int(n)) for at, n in zip(instants, after, strict=True)],
            "held_from_at": instants,
        }
    )
    tried = np.where(is_treated, "treatment", "holdout")[~at_once]
    messages = pd.DataFrame(
        {
            "cart_key": left["cart_key"],
            "experiment_group": tried,
            "propensity": 0.5,
            "assigned_on": [at.date() + timedelta(days=1) for at in noons],
            "sent_at": [
                at + timedelta(hours=21) if g == "treatment" else None for at, g in zip(noons, tried, strict=True)
            ],
        }
    )
    return {
        "feat_night": pd.DataFrame({"as_of": [LAST]}),
        "feat_cart": known_by(pd.concat([added, idle, night], ignore_index=True), "decided_on", LAST),
        "feat_cart_purchase": known_by(purchases, "purchased_on", LAST),
        "feat_cart_message": known_by(messages, "assigned_on", LAST),
    }


def known_by(table: pd.DataFrame, column: str, as_of: date) -> pd.DataFrame:
    return table[table[column] <= as_of].reset_index(drop=True)


def known(made: dict[str, pd.DataFrame], as_of: date) -> Carts:
    """The tables as they would have been on a day."""
    return Carts.from_tables(
        {
            "feat_night": pd.DataFrame({"as_of": [as_of]}),
            "feat_cart": known_by(made["feat_cart"], "decided_on", as_of),
            "feat_cart_purchase": known_by(made["feat_cart_purchase"], "purchased_on", as_of),
            "feat_cart_message": known_by(made["feat_cart_message"], "assigned_on", as_of),
        }
    )


def _on(number: int) -> date:
    return FIRST + timedelta(days=int(number))
