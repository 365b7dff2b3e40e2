{{ config(materialized='incremental', pre_hook="{{ delete_touched('order_id', 'orders') }}") }}
with lines as (

    select
        order_id,
        count(*)::integer as line_count,
        sum(units_ordered) as units_ordered,
        sum(units) as units,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as line_discount_amount,
        sum(included_tax_amount) as included_tax_amount,
        sum(cancelled_amount) as cancelled_amount,
        sum(net_revenue_amount) as net_revenue_amount
    from {{ ref('fct_order_lines') }}
    where not is_orphan and {{ is_touched('order_id', 'orders') }}
    group by order_id

)

select
    orders.order_id,
    orders.customer_id,
    orders.location_id,
    orders.channel,
    orders.status,
    orders.is_cancelled,
    orders.ship_country,
    coalesce(lines.line_count, 0) as line_count,
    coalesce(lines.units_ordered, 0)::decimal(18, 3) as units_ordered,
    coalesce(lines.units, 0)::decimal(18, 3) as units,
    orders.currency,
    coalesce(lines.gross_amount, 0)::decimal(18, 2) as gross_amount,
    coalesce(lines.line_discount_amount, 0)::decimal(18, 2) as line_discount_amount,
    orders.discount_amount,
    coalesce(lines.included_tax_amount, 0)::decimal(18, 2) as included_tax_amount,
    coalesce(lines.cancelled_amount, 0)::decimal(18, 2) as cancelled_amount,
    coalesce(lines.net_revenue_amount, 0)::decimal(18, 2) as net_revenue_amount,
    orders.shipping_amount,
    orders.tax_amount,
    orders.ordered_at,
    orders.ordered_on,
    orders.cancelled_at,
    orders.updated_at
from {{ ref('stg_orders') }} as orders
left join lines on lines.order_id = orders.order_id
where {{ is_touched('orders.order_id', 'orders') }}
