"""The warehouse of a store without dirt is the truth: units, stock, sessions, carts, parcels, promotions, cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from shop import LAST_DAY

# Clicks arrive up to three days late, and what arrives after the last day is in no warehouse.
LAST_WHOLE_DAY = LAST_DAY - timedelta(days=3)
# Cancellations are told up to two days after the order.
LAST_SETTLED_DAY = LAST_DAY - timedelta(days=2)
PAUSE = pd.Timedelta(hours=24)


class Night:
    """The published warehouse with the truth, `truth_<name>`, and the raw feeds, `raw_<feed>`, beside it."""

    def __init__(self, home: Path) -> None:
        self._connection = duckdb.connect()
        self._connection.execute(f"attach '{home / 'published' / 'warehouse.duckdb'}' as published (read_only)")
        for path in (home / "truth").glob("*.parquet"):
            self._connection.execute(f"create view truth_{path.stem} as from '{path}'")
        for feed in ("orders", "order_lines", "products", "events"):
            self._connection.execute(f"create view raw_{feed} as from '{home}/raw/{feed}/*/data.parquet'")
        self._connection.execute("use published")

    def frame(self, query: str) -> pd.DataFrame:
        return self._connection.execute(query.replace("truth_", "memory.truth_").replace("raw_", "memory.raw_")).df()

    def differences(self, made: str, true: str) -> list[tuple[object, ...]]:
        """Rows of one query that the other does not have, with the side they are from."""
        both = f"select 'warehouse' as side, * from ({made} except all {true})"
        query = f"{both} union all select 'truth', * from ({true} except all {made}) limit 20"
        return [tuple(row) for row in self.frame(query).itertuples(index=False)]


@pytest.fixture(scope="module")
def night(night_home: Path) -> Iterator[Night]:
    night = Night(night_home)
    assert len(night.frame("from truth_injected")) == 0
    yield night


def test_units_of_every_sku_and_day(night: Night) -> None:
    made = "select sku, sold_on, units_ordered::bigint from marts.fct_product_sales_daily where units_ordered > 0"
    assert night.differences(made, "select sku, sold_on, sold_units from truth_sku_day where sold_units > 0") == []
    net = "sum(case when is_cancelled then 0 else quantity - cancelled_quantity end)::bigint"
    made = f"""
        select sku, sold_on, units::bigint from marts.fct_product_sales_daily
        where sold_on <= '{LAST_SETTLED_DAY}' and units > 0"""
    true = f"""
        select sku, ordered_on, {net} as units from truth_line
        where ordered_on <= '{LAST_SETTLED_DAY}' group by all having units > 0"""
    assert night.differences(made, true) == []


def test_closing_stock_and_what_it_says_of_a_zero(night: Night) -> None:
    made = "select sku, stock_on, units_on_hand::bigint from marts.fct_inventory_daily"
    assert (
        night.differences(made, f"select sku, sold_on, closing_units from truth_sku_day where sold_on <= '{LAST_DAY}'")
        == []
    )
    # Nothing can have been sold of what is not ordered, so that the truth of the shelf decides.
    true = """
        select sku, sold_on, case when closing_units > 0 then 'in_stock' else 'out_of_stock' end
        from truth_sku_day where sold_units = 0"""
    made = "select sku, sold_on, stock_status from marts.fct_product_sales_daily where units_ordered = 0"
    assert night.differences(made, true) == []
    statuses = night.frame(
        """select stock_status, count(*) as days, count(*) filter (where true_lost_units > 0) as days_with_losses
        from marts.fct_product_sales_daily join truth_sku_day using (sku, sold_on) group by 1"""
    ).set_index("stock_status")
    assert set(statuses.index) == {"in_stock", "sold_out", "out_of_stock"}
    # Buyers went away empty-handed only where the shelf was empty in the end.
    assert statuses["days_with_losses"]["in_stock"] == 0
    assert statuses["days_with_losses"]["out_of_stock"] > 0


def test_sessions_are_the_visits(night: Night) -> None:
    state = """
        case when has_purchase then 'purchased' when has_checkout then 'checked_out'
            when add_to_cart_count > remove_from_cart_count then 'carted' when product_view_count > 0 then 'viewed'
            else 'browsed' end"""
    made = f"""
        select session_id, visitor_id, started_at, event_count::bigint, {state} from marts.fct_sessions
        where session_on <= '{LAST_WHOLE_DAY}'"""
    true = f"""
        select session_id, visitor_id, started_at, events, state from truth_session
        where timezone('Europe/London', timezone('UTC', started_at))::date <= '{LAST_WHOLE_DAY}'"""
    assert night.differences(made, true) == []


def test_bots_are_told_by_what_they_do(night: Night) -> None:
    told = night.frame(
        "select s.is_bot as told, t.is_bot as true from marts.fct_sessions s join truth_session t using (session_id)"
    )
    hits = (told["told"] & told["true"]).sum()
    assert told["true"].sum() > 30
    # Nobody is taken for a bot; a bot is missed where most of its clicks have not arrived.
    assert hits / told["told"].sum() == 1
    assert hits / told["true"].sum() >= 0.98
    assert night.frame("select sum(bot_session_count) from marts.mart_funnel_daily").iloc[0, 0] == told["told"].sum()


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


def test_parcels_and_their_lateness(night: Night) -> None:
    made = "select shipment_id, order_id, shipped_on, promised_on, delivered_on, is_late from marts.fct_shipments"
    arrived = f"true_delivered_on <= '{LAST_DAY}'"
    true = f"""
        select shipment_id, order_id, shipped_on, promised_on, case when {arrived} then true_delivered_on end,
            case when {arrived} then is_late when promised_on < '{LAST_DAY}' then true end
        from truth_parcel where shipped_on <= '{LAST_DAY}'"""
    assert night.differences(made, true) == []


def test_promotion_days_are_those_on_which_prices_were_cut(night: Night) -> None:
    made = f"""
        select sku, promoted_on, max(discount_pct) from marts.fct_promotion_days
        where promoted_on <= '{LAST_DAY}' and announced_on < starts_on group by all"""
    true = "select sku, sold_on, true_discount_pct from truth_sku_day where true_discount_pct > 0"
    # A SKU that is not on sale any more has no day in the truth.
    shown = f"from ({made}) as made (sku, sold_on, pct) semi join truth_sku_day using (sku, sold_on)"
    assert night.differences(f"select * {shown}", true) == []


def test_returns_are_those_that_were_asked_for(night: Night) -> None:
    made = "select order_line_id, sum(units_returned)::bigint from marts.fct_returns where is_matched group by 1"
    true = f"select order_line_id, returned_quantity from truth_line where return_requested_on <= '{LAST_DAY}'"
    assert night.differences(made, true) == []


def test_money_and_cost_from_raw_to_mart_to_the_cent(night: Night) -> None:
    """Net revenue by day computed from raw alone; prices are without tax."""
    orders = night.frame("from raw_orders order by updated_at").drop_duplicates("order_id", keep="last")
    lines = night.frame("from raw_order_lines order by updated_at").drop_duplicates("order_line_id", keep="last")
    lines = lines.merge(orders, on="order_id", suffixes=("", "_order"))
    pence = {name: (lines[name].astype(float) * 100).round() for name in ("unit_price", "discount_amount")}
    lines["goods"] = pence["unit_price"] * lines["quantity"].astype(float) - pence["discount_amount"]
    untouched = lines.groupby("order_id")["cancelled_quantity"].transform("sum").eq(0)
    placed = lines[untouched & lines["status"].ne("cancelled")].groupby("order_id")
    voucher = (orders.set_index("order_id")["discount_amount"].astype(float) * 100).round()
    expected = (placed["goods"].sum() - voucher).dropna()
    made = night.frame("select order_id, net_revenue_amount::double as net from marts.fct_orders").set_index("order_id")
    assert len(expected) > 900
    assert ((made["net"] * 100).round().reindex(expected.index) == expected).all()
    cancelled = orders.loc[orders["status"].eq("cancelled"), "order_id"]
    assert len(cancelled) > 0
    assert (made["net"].reindex(cancelled) == 0).all()
    totals = night.frame(
        """select (select sum(net_revenue_amount) from marts.fct_orders) as orders,
            (select sum(net_revenue_amount) from marts.mart_sales_daily) as sales,
            (select sum(store_net_revenue_amount) from marts.fct_product_sales_daily) as products"""
    ).iloc[0]
    assert totals["orders"] == totals["sales"] == totals["products"] > 0


def test_margin_takes_the_cost_of_the_orders_day(night: Night) -> None:
    true = """
        select order_line_id, products.unit_cost, lines.units * products.unit_cost
        from marts.fct_order_lines as lines
        join raw_products as products on products.sku = lines.sku and products.business_date = lines.ordered_on"""
    made = "select order_line_id, unit_cost, store_net_revenue_amount - margin_amount from marts.fct_order_lines"
    rounded = "select id, unit_cost, round(cost, 2)::decimal(18, 2) from ({}) as rows (id, unit_cost, cost)"
    assert night.differences(rounded.format(made), rounded.format(true)) == []
    assert night.frame("select count(distinct (sku, unit_cost)) > count(distinct sku) from marts.fct_order_lines").iloc[
        0, 0
    ]
    assert night.frame(
        "select sum(costed_revenue_amount) = sum(store_net_revenue_amount) from marts.mart_sales_daily"
    ).iloc[0, 0]
