-- Units and revenue of the order lines are those of fct_product_sales_daily and of mart_sales_daily, to the cent; in
-- the row's currency as in the store's.
with lines as (

    select
        coalesce(sum(units), 0) as units,
        coalesce(sum(net_revenue_amount), 0) as net_revenue_amount,
        coalesce(sum(store_net_revenue_amount), 0) as store_net_revenue_amount,
        count(*) filter (where exchange_rate is null) as unconverted_line_count
    from {{ ref('fct_order_lines') }}
    where not is_orphan

),

daily as (

    select
        coalesce(sum(units), 0) as units,
        coalesce(sum(store_net_revenue_amount), 0) as store_net_revenue_amount,
        coalesce(sum(unconverted_line_count), 0) as unconverted_line_count
    from {{ ref('fct_product_sales_daily') }}

),

mart as (

    select
        coalesce(sum(units), 0) as units,
        coalesce(sum(net_revenue_amount), 0) as net_revenue_amount,
        coalesce(sum(store_net_revenue_amount), 0) as store_net_revenue_amount,
        coalesce(sum(unconverted_line_count), 0) as unconverted_line_count
    from {{ ref('mart_sales_daily') }}

)

select lines.*, daily.units as daily_units, mart.units as mart_units
from lines
cross join daily
cross join mart
where lines.units != daily.units
    or lines.units != mart.units
    or lines.net_revenue_amount != mart.net_revenue_amount
    or lines.store_net_revenue_amount != daily.store_net_revenue_amount
    or lines.store_net_revenue_amount != mart.store_net_revenue_amount
    or lines.unconverted_line_count != daily.unconverted_line_count
    or lines.unconverted_line_count != mart.unconverted_line_count
