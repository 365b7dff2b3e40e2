{{ config(materialized='incremental', pre_hook="{{ delete_touched_line_returns() }}") }}
with returned as (

    select
        order_line_id,
        count(*) as return_count,
        sum(units_returned) as units_returned,
        sum(units_returned) filter (where is_within_window) as units_returned_in_window,
        sum(store_refund_amount) as store_refund_amount,
        max(requested_on) as last_requested_on
    from {{ ref('fct_returns') }}
    where is_matched and not is_rejected
    group by order_line_id

)

select
    lines.order_line_id,
    lines.order_id,
    lines.sku,
    lines.product_key,
    lines.customer_id,
    lines.ordered_on,
    lines.units,
    lines.store_net_revenue_amount,
    lines.margin_amount,
    {{ add_days('lines.ordered_on', var('return_window_days')) }} <= {{ as_of() }} as is_mature,
    coalesce(returned.return_count, 0)::integer as return_count,
    coalesce(returned.units_returned, 0)::decimal(18, 3) as units_returned,
    coalesce(returned.units_returned_in_window, 0)::decimal(18, 3) as units_returned_in_window,
    coalesce(returned.store_refund_amount, 0)::decimal(18, 2) as store_refund_amount,
    {{ share_of('coalesce(lines.margin_amount, 0)', 'least(coalesce(returned.units_returned, 0), lines.units)', 'lines.units') }}
        as margin_lost_amount,
    returned.last_requested_on
from {{ ref('fct_order_lines') }} as lines
left join returned on returned.order_line_id = lines.order_line_id
where not lines.is_orphan and {{ is_touched_line('lines') }}
