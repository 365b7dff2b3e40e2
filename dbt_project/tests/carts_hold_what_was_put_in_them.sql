-- Every unit that was put in a cart lies in one cart, and no order buys two carts of earlier visits.
with carts as (

    select coalesce(sum(items.units_added), 0) as units
    from {{ ref('int_cart_items') }} as items
    inner join (
        select visitor_id, min(started_at) as started_at from {{ ref('fct_carts') }} group by visitor_id
    ) as carts on carts.visitor_id = items.visitor_id

),

events as (

    select coalesce(sum(coalesce(units, 1)), 0) as units
    from {{ ref('stg_events') }}
    where event_type = 'add_to_cart' and sku is not null

),

twice as (

    select count(*) - count(distinct order_id) as order_count
    from {{ ref('fct_carts') }}
    where is_recovered

)

select carts.units, events.units as event_units, twice.order_count
from carts
cross join events
cross join twice
where carts.units != events.units or twice.order_count > 0
