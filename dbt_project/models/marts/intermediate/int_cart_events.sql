{{ config(materialized='incremental', pre_hook="{{ delete_touched('visitor_id', 'visitors') }}") }}
{%- set visitor = fast_hash(['visitor_id']) -%}
with events as (

    select
        visitor_id,
        customer_id,
        event_type,
        sku,
        coalesce(units, 1)::decimal(18, 3) as units,
        unit_price,
        order_id,
        occurred_at,
        occurred_on,
        row_number() over by_visitor as event_number,
        lag(occurred_at) over by_visitor as previous_at,
        lag(event_type) over by_visitor as previous_type,
        lag(order_id) over by_visitor as previous_order_id
    from {{ ref('stg_events') }}
    where {{ is_cart_event() }} and {{ is_touched('visitor_id', 'visitors') }}
    window by_visitor as (
        partition by {{ visitor }}
        order by occurred_at, case when event_type = 'purchase' then 1 else 0 end, {{ fast_hash(['event_id']) }}
    )

),

starts as (

    select
        *,
        previous_at is null
            or occurred_at > previous_at + interval '{{ var("cart_abandoned_hours") }}' hour
            or (
                previous_type = 'purchase'
                and not (event_type = 'purchase' and order_id is not distinct from previous_order_id)
            ) as is_start
    from events

)

select
    visitor_id,
    count(*) filter (where is_start) over (
        partition by {{ visitor }} order by event_number rows unbounded preceding
    ) as cart_number,
    event_number,
    customer_id,
    event_type,
    sku,
    units,
    unit_price,
    order_id,
    occurred_at,
    occurred_on
from starts
