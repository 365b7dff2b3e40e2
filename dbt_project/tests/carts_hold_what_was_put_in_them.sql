-- Every addition of a session is one of a cart, its units lie in one cart, and no order buys two carts of earlier
-- visits.
with carts as (

    select coalesce(sum(units_added), 0) as units
    from {{ ref('int_cart_items') }}
    where visitor_id in (select visitor_id from {{ ref('fct_carts') }})

),

events as (

    select
        coalesce(sum(units) filter (where sku is not null), 0) as units,
        count(*) as addition_count
    from {{ ref('int_cart_events') }}
    where event_type = 'add_to_cart'

),

sessions as (select coalesce(sum(add_to_cart_count), 0) as addition_count from {{ ref('fct_sessions') }}),

twice as (

    select count(*) - count(distinct order_id) as order_count
    from {{ ref('fct_carts') }}
    where is_recovered

)

select
    carts.units,
    events.units as event_units,
    events.addition_count,
    sessions.addition_count as session_addition_count,
    twice.order_count
from carts
cross join events
cross join sessions
cross join twice
where carts.units != events.units or events.addition_count != sessions.addition_count or twice.order_count > 0
