{{ config(
    materialized='incremental',
    pre_hook=["{{ note_cart_clicks() }}", "{{ delete_touched('visitor_id', 'visitors') }}"]
) }}
{%- set visitor = fast_hash(['visitor_id']) -%}
with clicks as (

    {{ cart_clicks_of_touched_visitors() }}

),

events as (

    select
        event_id,
        visitor_id,
        session_id,
        customer_id,
        event_type,
        sku,
        units,
        unit_price,
        order_id,
        device,
        traffic_source,
        occurred_at,
        occurred_on,
        known_on,
        row_number() over by_visitor as event_number,
        lag(occurred_at) over by_visitor as previous_at,
        lag(event_type) over by_visitor as previous_type,
        lag(order_id) over by_visitor as previous_order_id
    from clicks
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
    event_id,
    visitor_id,
    count(*) filter (where is_start) over (
        partition by {{ visitor }} order by event_number rows unbounded preceding
    ) as cart_number,
    event_number,
    session_id,
    customer_id,
    event_type,
    sku,
    units,
    unit_price,
    order_id,
    device,
    traffic_source,
    occurred_at,
    occurred_on,
    known_on
from starts
