"""The warehouse of a store without dirt is the truth: units, stock, sessions, parcels, promotions, cost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from published import Night
from shop import LAST_DAY

# Clicks arrive up to three days late, and what arrives after the last day is in no warehouse.
LAST_WHOLE_DAY = LAST_DAY - timedelta(days=3)
# Cancellations are told up to two days after the order.
LAST_SETTLED_DAY = LAST_DAY - timedelta(days=2)


@pytest.fixture(scope="module")
def night(night_home: Path) -> Night:
    night = Night(night_home)
    assert len(night.frame("from truth_injected")) == 0
    return night


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
