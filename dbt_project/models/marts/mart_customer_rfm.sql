with customers as (

    select
        customer_id,
        max(ordered_on) as last_ordered_on,
        count(distinct order_id) as order_count,
        coalesce(sum(store_net_revenue_amount), 0) as store_net_revenue_amount
    from {{ ref('int_line_returns') }}
    where customer_id is not null and units > 0
    group by customer_id

),

scored as (

    select
        *,
        {{ score_5('last_ordered_on') }} as recency_score,
        {{ score_5('order_count') }} as frequency_score,
        {{ score_5('store_net_revenue_amount') }} as monetary_score
    from customers

)

select
    customer_id,
    last_ordered_on,
    {{ days_between('last_ordered_on', as_of()) }} as recency_days,
    order_count::integer as order_count,
    store_net_revenue_amount::decimal(18, 2) as store_net_revenue_amount,
    recency_score,
    frequency_score,
    monetary_score,
    {{ rfm_segment() }} as segment
from scored
