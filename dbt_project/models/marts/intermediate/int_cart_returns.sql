{{ config(materialized='table') }}
-- Bought without having been put in the cart of the visit: it lay in an earlier one.
with purchases as (

    select
        events.visitor_id,
        events.customer_id,
        events.order_id,
        events.sku,
        events.occurred_at
    from {{ ref('int_cart_events') }} as events
    left join {{ ref('int_cart_items') }} as items
        on items.visitor_id = events.visitor_id
        and items.cart_number = events.cart_number
        and items.sku = events.sku
    where events.event_type = 'purchase' and events.order_id is not null and items.sku is null

),

carts as (

    select
        visitor_id,
        cart_number,
        max_by(customer_id, event_number) filter (where customer_id is not null) as customer_id,
        max(occurred_at) as last_activity_at
    from {{ ref('int_cart_events') }}
    group by visitor_id, cart_number
    having count(*) filter (where event_type = 'purchase') = 0

),

items as (

    select carts.*, items.sku
    from carts
    inner join {{ ref('int_cart_items') }} as items
        on items.visitor_id = carts.visitor_id and items.cart_number = carts.cart_number
    where items.units > 0

),

matches as (

    select items.*, purchases.order_id, purchases.occurred_at as purchased_at
    from purchases
    inner join items on items.sku = purchases.sku and items.visitor_id = purchases.visitor_id
    union
    select items.*, purchases.order_id, purchases.occurred_at
    from purchases
    inner join items on items.sku = purchases.sku and items.customer_id = purchases.customer_id

),

pairs as (

    select
        visitor_id,
        cart_number,
        order_id,
        max(last_activity_at) as last_activity_at,
        min(purchased_at) as purchased_at,
        count(*) as sku_count
    from matches
    where purchased_at > last_activity_at
        and purchased_at <= last_activity_at + interval '{{ var("cart_return_days") }}' day
    group by visitor_id, cart_number, order_id
    -- An order buys one earlier cart, the one it has most of; of two alike the later one.
    qualify row_number() over (
        partition by order_id order by count(*) desc, max(last_activity_at) desc, visitor_id, cart_number
    ) = 1

)

select
    visitor_id,
    cart_number,
    order_id,
    purchased_at
from pairs
qualify row_number() over (partition by visitor_id, cart_number order by purchased_at, order_id) = 1
