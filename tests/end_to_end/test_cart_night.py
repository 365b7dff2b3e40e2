"""A night of carts from deliveries written by hand: whom tonight's messages leave alone for what came in today."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from shop import Shop, lines

from pipelines import night_exports, nights

OWNER = "a test"
FIRST, LAST = date(2024, 5, 1), date(2024, 5, 3)
MAPPING = {name: f"{{uri: '{name}/{{ds}}.csv', format: csv}}" for name in ("orders", "customers", "events")}
MAPPING["order_lines"] = "{uri: 'order_lines/{ds}.csv', format: csv}"
EVENTS = "event_id,visitor_id,customer_id,occurred_at,event_type,sku,quantity,unit_price,order_id"
# Of each customer, who all leave a cart on the last day at noon: what else comes in on that day.
AS_USUAL, WITHDREW, ELSEWHERE, OTHERS = "as usual", "withdrew consent", "bought on another device", "no account"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = Shop(tmp_path_factory.mktemp("carts") / "home")
    shop.map(**MAPPING)
    for number in range((LAST - FIRST).days + 1):
        _deliver(shop, FIRST + timedelta(days=number))
    nights.ingest(shop.settings, None, None, None)
    nights.build(shop.settings, LAST, OWNER)
    nights.score_model(shop.settings, LAST, "abandonment", OWNER)
    night_exports.build_tables(shop.settings, LAST, OWNER, models=["abandonment"])
    night_exports.deliver(shop.settings, LAST, OWNER, "cart_recovery")
    nights.release(shop.settings, OWNER)
    return shop.root


def _deliver(shop: Shop, day: date) -> None:
    """Everybody consents at first; each buys the first day's cart at once, and leaves the last day's."""
    people = (AS_USUAL, WITHDREW, ELSEWHERE)
    clicks, orders, consents = [], [], dict.fromkeys(people, "true")
    for who in (*people, OTHERS):
        customer = "" if who == OTHERS else who
        clicks.append(f"{day} {who} 1,v {who},{customer},{day} 12:00:00,add_to_cart,s1,1,100.00,")
        if day < LAST:
            clicks.append(f"{day} {who} 2,v {who},{customer},{day} 12:10:00,purchase,s1,1,100.00,{day} {who}")
            orders.append(f"{day} {who},{customer},{day} 12:10:00,paid,GBP")
    if day == LAST:
        consents[WITHDREW] = "false"
        # On a telephone that the shop has not seen before, logged in.
        clicks.append(f"{day} phone,v phone,{ELSEWHERE},{day} 15:00:00,purchase,s1,1,100.00,{day} phone")
        orders.append(f"{day} phone,{ELSEWHERE},{day} 15:00:00,paid,GBP")
    rows = [f"{name},{name.replace(' ', '.')}@example.org,{consent},{day}" for name, consent in consents.items()]
    shop.deliver(f"events/{day}.csv", lines(EVENTS, clicks))
    shop.deliver(f"customers/{day}.csv", lines("customer_id,email,marketing_consent,updated_at", rows))
    shop.deliver(f"orders/{day}.csv", lines("order_id,customer_id,ordered_at,status,currency", orders))
    bought = [f"{order.split(',')[0]} 1,{order.split(',')[0]},s1,1,100.00" for order in orders]
    shop.deliver(f"order_lines/{day}.csv", lines("order_line_id,order_id,sku,quantity,unit_price", bought))


@pytest.fixture(scope="module")
def tonight(home: Path) -> pd.DataFrame:
    rows = pd.read_parquet(next((home / f"exports/cart_recovery/v1/as_of={LAST}").glob("*.parquet")))
    return rows.assign(who=rows["visitor_id"].str.removeprefix("v ")).set_index("who")


def test_a_consent_that_was_withdrawn_today_means_no_message_tonight(tonight: pd.DataFrame) -> None:
    asked = ["recommended_action", "suppressed_reason", "experiment_group"]
    told = tonight[asked].astype(object).where(tonight[asked].notna(), None)
    assert told.loc[AS_USUAL].tolist() in (["message", None, "treatment"], ["none", "holdout", "holdout"])
    assert told.loc[WITHDREW].tolist() == ["none", "no_consent", None]
    assert told.loc[OTHERS].tolist() == ["none", "address_unknown", None]


def test_a_purchase_by_the_same_customer_on_another_device_ends_the_cart(tonight: pd.DataFrame) -> None:
    assert sorted(tonight.index) == sorted([AS_USUAL, WITHDREW, OTHERS])


def test_nobody_else_is_given_to_a_group(home: Path) -> None:
    (file,) = (home / f"decisions/cart_recovery/as_of={LAST}").glob("*.parquet")
    assert pd.read_parquet(file)["customer_id"].tolist() == [AS_USUAL]
