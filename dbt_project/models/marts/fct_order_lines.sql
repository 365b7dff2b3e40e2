{{ config(materialized='incremental', pre_hook="{{ delete_touched('order_id', 'orders') }}") }}
with lines as (

    select
        lines.order_line_id,
        lines.order_id,
        lines.sku,
        orders.customer_id,
        orders.location_id,
        orders.channel,
        orders.currency,
        orders.ordered_at,
        orders.ordered_on,
        orders.order_id is null as is_orphan,
        coalesce(orders.is_cancelled, false) as is_order_cancelled,
        lines.units_ordered,
        case when orders.is_cancelled then lines.units_ordered else lines.units_cancelled end as units_cancelled,
        lines.unit_price,
        round(lines.units_ordered * lines.unit_price, 2)::decimal(18, 2) as gross_amount,
        lines.discount_amount,
        coalesce(orders.discount_amount, 0)::decimal(18, 2) as order_discount,
        coalesce(orders.shipping_amount, 0)::decimal(18, 2) as order_shipping,
        {% if var('prices_include_tax') %} coalesce(orders.tax_amount, 0) {% else %} 0 {% endif %}::decimal(18, 2)
            as order_tax
    from {{ ref('stg_order_lines') }} as lines
    left join {{ ref('stg_orders') }} as orders on orders.order_id = lines.order_id
    where {{ is_touched('lines.order_id', 'orders') }}

),

valued as (

    select
        *,
        (gross_amount - discount_amount)::decimal(18, 2) as value,
        (sum(gross_amount - discount_amount) over so_far)::decimal(18, 2) as value_so_far,
        (sum(gross_amount - discount_amount) over (partition by order_id))::decimal(18, 2) as order_value
    from lines
    window so_far as (partition by order_id order by order_line_id rows unbounded preceding)

),

-- What is shared out is rounded on the running total, so that the lines' shares add up to the order's amount.
discounted as (

    select
        *,
        {{ share_of('order_discount', 'value_so_far', 'order_value') }} as discount_so_far,
        {{ share_of('order_discount', '(value_so_far - value)', 'order_value') }} as discount_before
    from valued

),

taxed as (

    select
        *,
        discount_so_far - discount_before as order_discount_amount,
        {{ share_of('order_tax', '(value_so_far - discount_so_far)', '(order_value - order_discount + order_shipping)') }}
        - {{ share_of('order_tax', '(value_so_far - value - discount_before)', '(order_value - order_discount + order_shipping)') }}
            as included_tax_amount
    from discounted

),

cancelled as (

    select
        *,
        {{ share_of('(value - order_discount_amount - included_tax_amount)', 'units_cancelled', 'units_ordered') }} as cancelled_amount
    from taxed

),

priced as (

    select
        cancelled.*,
        product_days.product_key,
        products.unit_cost,
        (units_ordered - units_cancelled)::decimal(18, 3) as units,
        (value - order_discount_amount - included_tax_amount - cancelled_amount)::decimal(18, 2) as net_revenue_amount,
        {{ store_rate('cancelled.currency', 'rates.exchange_rate') }} as exchange_rate
    from cancelled
    left join {{ ref('int_product_days') }} as product_days
        on product_days.sku = cancelled.sku and product_days.calendar_on = cancelled.ordered_on
    left join {{ ref('dim_product') }} as products on products.product_key = product_days.product_key
    left join {{ ref('int_daily_rates') }} as rates
        on rates.currency = cancelled.currency and rates.calendar_on = cancelled.ordered_on

)

select
    order_line_id,
    order_id,
    sku,
    product_key,
    customer_id,
    location_id,
    channel,
    ordered_at,
    ordered_on,
    is_orphan,
    is_order_cancelled,
    units_ordered,
    units_cancelled,
    units,
    currency,
    unit_price,
    gross_amount,
    discount_amount,
    order_discount_amount::decimal(18, 2) as order_discount_amount,
    included_tax_amount::decimal(18, 2) as included_tax_amount,
    cancelled_amount,
    net_revenue_amount,
    exchange_rate,
    {{ in_store_currency('net_revenue_amount', 'exchange_rate') }} as store_net_revenue_amount,
    unit_cost,
    {{ cost_of('units', 'unit_cost') }} as cost_amount,
    (store_net_revenue_amount - cost_amount)::decimal(18, 2) as margin_amount
from priced
