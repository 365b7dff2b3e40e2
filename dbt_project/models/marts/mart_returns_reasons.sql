with returns as (

    select
        date_trunc('month', returns.requested_on)::date as month_starts_on,
        coalesce(products.category_1, '(none)') as category_1,
        coalesce(returns.reason, '(none)') as reason,
        returns.is_rejected,
        returns.units_returned,
        returns.store_refund_amount,
        returns.days_since_order
    from {{ ref('fct_returns') }} as returns
    left join {{ ref('fct_order_lines') }} as lines on lines.order_line_id = returns.order_line_id
    left join {{ ref('dim_product') }} as products on products.product_key = lines.product_key
    where returns.is_matched

)

select
    month_starts_on,
    category_1,
    reason,
    count(*) filter (where not is_rejected)::integer as return_count,
    coalesce(sum(units_returned) filter (where not is_rejected), 0)::decimal(18, 3) as units_returned,
    coalesce(sum(store_refund_amount) filter (where not is_rejected), 0)::decimal(18, 2) as store_refund_amount,
    {{ pct('sum(days_since_order) filter (where not is_rejected)', 'count(*) filter (where not is_rejected)') }} as mean_request_days,
    count(*) filter (where is_rejected)::integer as rejected_count
from returns
group by month_starts_on, category_1, reason
