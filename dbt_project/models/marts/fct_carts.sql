{{ config(
    materialized='incremental',
    pre_hook=["{{ note_cart_visitors() }}", "{{ delete_touched('visitor_id', 'cart_visitors') }}"]
) }}
with carts as (

    select
        visitor_id,
        cart_number,
        max_by(customer_id, event_number) filter (where customer_id is not null) as customer_id,
        min(occurred_at) filter (where event_type = 'add_to_cart') as started_at,
        min(occurred_on) filter (where event_type = 'add_to_cart') as started_on,
        min(occurred_at) filter (where event_type = 'checkout_start') as checkout_started_at,
        max(occurred_at) as last_activity_at,
        min(occurred_at) filter (where event_type = 'purchase') as purchased_at,
        min_by(order_id, event_number) filter (where event_type = 'purchase') as order_id
    from {{ ref('int_cart_events') }}
    where {{ is_touched('visitor_id', 'cart_visitors') }}
    group by visitor_id, cart_number
    having count(*) filter (where event_type = 'add_to_cart') > 0

),

contents as (

    select
        visitor_id,
        cart_number,
        count(*) filter (where units > 0) as sku_count,
        sum(units) as units,
        sum(cart_amount) as cart_amount
    from {{ ref('int_cart_items') }}
    where {{ is_touched('visitor_id', 'cart_visitors') }}
    group by visitor_id, cart_number

),

decided as (

    select
        carts.*,
        coalesce(contents.sku_count, 0)::integer as sku_count,
        coalesce(contents.units, 0)::decimal(18, 3) as units,
        coalesce(contents.cart_amount, 0)::decimal(18, 2) as cart_amount,
        carts.last_activity_at + interval '{{ var("cart_abandoned_hours") }}' hour as abandoned_at,
        returns.order_id as later_order_id,
        returns.purchased_at as later_purchased_at
    from carts
    left join contents
        on contents.visitor_id = carts.visitor_id and contents.cart_number = carts.cart_number
    left join {{ ref('int_cart_returns') }} as returns
        on returns.visitor_id = carts.visitor_id and returns.cart_number = carts.cart_number

)

select
    md5(concat_ws('|', visitor_id, started_at::varchar)) as cart_key,
    visitor_id,
    customer_id,
    started_at,
    started_on,
    checkout_started_at,
    last_activity_at,
    abandoned_at,
    coalesce(purchased_at, later_purchased_at) as purchased_at,
    coalesce(order_id, later_order_id) as order_id,
    case
        when coalesce(purchased_at, later_purchased_at) is not null then 'bought'
        when units = 0 then 'emptied'
        when abandoned_at <= {{ business_day_starts_at(add_days(as_of(), 1)) }} then 'abandoned'
        when checkout_started_at is not null then 'checked_out'
        else 'open'
    end as state,
    sku_count,
    units as cart_units,
    cart_amount,
    checkout_started_at is not null as has_checkout,
    purchased_at is null and later_purchased_at is not null as is_recovered
from decided
