-- Units and revenue of the order lines are those of fct_product_sales_daily and of mart_sales_daily, to the cent.
with lines as (

    select
        coalesce(sum(units), 0) as units,
        coalesce(sum(net_revenue_amount) filter (where currency = '{{ var("currency") }}'), 0) as net_revenue_amount
    from {{ ref('fct_order_lines') }}
    where not is_orphan

),

totals as (

    select coalesce(sum(units), 0) as units, coalesce(sum(net_revenue_amount), 0) as net_revenue_amount
    from {{ ref('fct_product_sales_daily') }}
    union all
    select coalesce(sum(units), 0), coalesce(sum(net_revenue_amount), 0)
    from {{ ref('mart_sales_daily') }}

)

select lines.*, totals.units as total_units, totals.net_revenue_amount as total_net_revenue_amount
from lines
cross join totals
where lines.units != totals.units or lines.net_revenue_amount != totals.net_revenue_amount
