with customers as (

    select
        customer_id,
        count(distinct order_id) filter (where units > 0) as order_count,
        count(*) filter (where units > 0) as line_count,
        count(*) filter (where return_count > 0) as returned_line_count,
        count(distinct order_id) filter (where return_count > 0) as returned_order_count,
        sum(units) as units,
        sum(units_returned) as units_returned,
        sum(units) filter (where is_mature) as mature_units,
        {{ return_pct('lines') }} as return_pct,
        sum(store_net_revenue_amount) as store_net_revenue_amount,
        sum(store_refund_amount) as store_refund_amount,
        max(last_requested_on) as last_requested_on
    from {{ ref('int_line_returns') }} as lines
    where customer_id is not null
    group by customer_id
    having count(*) filter (where return_count > 0) > 0

)

select
    customer_id,
    order_count::integer as order_count,
    line_count::integer as line_count,
    returned_line_count::integer as returned_line_count,
    returned_order_count::integer as returned_order_count,
    units::decimal(18, 3) as units,
    units_returned::decimal(18, 3) as units_returned,
    coalesce(mature_units, 0)::decimal(18, 3) as mature_units,
    return_pct,
    coalesce(store_net_revenue_amount, 0)::decimal(18, 2) as store_net_revenue_amount,
    store_refund_amount::decimal(18, 2) as store_refund_amount,
    last_requested_on,
    {{ is_repeat_returner() }} as is_repeat_returner
from customers
