{{ config(materialized='incremental', pre_hook="{{ delete_touched('sold_on', 'sales_dates') }}") }}
with sold as (

    select
        sku,
        location_id,
        ordered_on as sold_on,
        sum(units) as units,
        sum(units_ordered) as units_ordered,
        count(distinct order_id) filter (where units > 0) as order_count,
        sum(store_net_revenue_amount) as store_net_revenue_amount,
        count(*) filter (where exchange_rate is null) as unconverted_line_count,
        {{ middle_price('unit_price') }} filter (where unit_price > 0) as usual_unit_price
    from {{ ref('fct_order_lines') }}
    where not is_orphan and {{ is_touched('ordered_on', 'sales_dates') }}
    group by sku, location_id, ordered_on

),

returned as (

    select
        sku,
        location_id,
        requested_on as sold_on,
        sum(units_returned) as units_returned
    from {{ ref('fct_returns') }}
    where is_matched and not is_rejected and {{ is_touched('requested_on', 'sales_dates') }}
    group by sku, location_id, requested_on

),

stock as (

    select sku, location_id, stock_on as sold_on, units_on_hand
    from {{ ref('fct_inventory_daily') }}
    where {{ is_touched('stock_on', 'sales_dates') }}

)

select
    sku,
    location_id,
    sold_on,
    coalesce(sold.units, 0)::decimal(18, 3) as units,
    coalesce(sold.units_ordered, 0)::decimal(18, 3) as units_ordered,
    coalesce(returned.units_returned, 0)::decimal(18, 3) as units_returned,
    coalesce(sold.order_count, 0)::integer as order_count,
    coalesce(sold.store_net_revenue_amount, 0)::decimal(18, 2) as store_net_revenue_amount,
    coalesce(sold.unconverted_line_count, 0)::integer as unconverted_line_count,
    sold.usual_unit_price,
    stock.units_on_hand,
    {{ stock_status('stock.units_on_hand', 'sold.units') }} as stock_status
from sold
full outer join returned using (sku, location_id, sold_on)
full outer join stock using (sku, location_id, sold_on)
