{{ config(materialized='incremental', pre_hook="{{ delete_touched('return_id', 'returns') }}") }}
select
    returns.return_id,
    returns.order_line_id,
    lines.order_id,
    lines.sku,
    lines.customer_id,
    lines.location_id,
    returns.status,
    returns.reason,
    returns.units as units_returned,
    lines.currency,
    returns.refund_amount,
    {{ in_store_currency('returns.refund_amount', 'lines.exchange_rate') }} as store_refund_amount,
    lines.ordered_on,
    returns.requested_at,
    returns.requested_on,
    returns.received_at,
    {{ days_between('lines.ordered_on', 'returns.requested_on') }} as days_since_order,
    coalesce(
        {{ days_between('lines.ordered_on', 'returns.requested_on') }} between 0 and {{ var('return_window_days') }},
        false
    ) as is_within_window,
    lines.ordered_on is not null as is_matched,
    returns.status = 'rejected' as is_rejected
from {{ ref('stg_returns') }} as returns
left join {{ ref('fct_order_lines') }} as lines on lines.order_line_id = returns.order_line_id
where {{ is_touched('returns.return_id', 'returns') }}
