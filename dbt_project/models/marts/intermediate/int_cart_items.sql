{{ config(materialized='incremental', pre_hook="{{ delete_touched('visitor_id', 'visitors') }}") }}
with items as (

    select
        visitor_id,
        cart_number,
        sku,
        min(occurred_at) filter (where event_type = 'add_to_cart') as first_added_at,
        sum(units) filter (where event_type = 'add_to_cart') as units_added,
        coalesce(sum(units) filter (where event_type = 'remove_from_cart'), 0) as units_removed,
        sum(round(units * unit_price, 2)) filter (where event_type = 'add_to_cart') as added_amount
    from {{ ref('int_cart_events') }}
    where event_type in ('add_to_cart', 'remove_from_cart') and {{ is_touched('visitor_id', 'visitors') }}
    group by visitor_id, cart_number, sku

)

select
    visitor_id,
    cart_number,
    sku,
    first_added_at,
    units_added::decimal(18, 3) as units_added,
    greatest(units_added - units_removed, 0)::decimal(18, 3) as units,
    {{ share_of('added_amount', 'greatest(units_added - units_removed, 0)', 'units_added') }} as cart_amount
from items
where units_added > 0
