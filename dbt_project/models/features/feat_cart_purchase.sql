{{ config(materialized='incremental', pre_hook="{{ delete_touched_decisions('purchased_on', 2) }}") }}
-- Read where a build goes by changes alone, which dbt cannot see:
-- depends_on: {{ ref('stg_orders') }}
-- A click can part a cart from the order that bought it no later than a pause after its last one: hence two days more.
with bought as (

    select
        cart_key,
        visitor_id,
        started_at,
        order_id,
        purchased_at,
        {{ business_day_of('purchased_at') }} as purchased_on
    from {{ ref('fct_carts') }}
    where purchased_at is not null

),

carts as (

    select distinct bought.*, events.cart_number
    from bought
    inner join {{ ref('int_cart_events') }} as events
        on events.visitor_id = bought.visitor_id
        and events.occurred_at = bought.started_at
        and events.event_type = 'add_to_cart'
    where {{ is_touched_decision('bought.purchased_on', 2) }}

),

purchases as (

    select visitor_id, cart_number, order_id, sku
    from {{ ref('int_cart_events') }}
    where event_type = 'purchase'

),

sold as (

    select carts.cart_key, purchases.sku
    from carts
    inner join purchases on purchases.visitor_id = carts.visitor_id and purchases.cart_number = carts.cart_number
    union
    select carts.cart_key, purchases.sku
    from carts
    inner join purchases on purchases.order_id = carts.order_id

),

-- Which of the cart's goods the order has; a purchase that names none has them all.
found as (

    select carts.cart_key, min(items.first_added_at) as held_from_at
    from carts
    inner join sold on sold.cart_key = carts.cart_key
    inner join {{ ref('int_cart_items') }} as items
        on items.visitor_id = carts.visitor_id
        and items.cart_number = carts.cart_number
        and (sold.sku is null or items.sku = sold.sku)
    group by carts.cart_key

)

select
    carts.cart_key,
    carts.order_id,
    carts.purchased_at,
    carts.purchased_on,
    found.held_from_at
from carts
inner join found on found.cart_key = carts.cart_key
