-- Whose browser or device a visitor id is: read for the visitors of the carts at hand, so that it is a view.
with addresses as (

    select email_hash, customer_id, min(ordered_at) as known_at
    from {{ ref('stg_orders') }}
    where email_hash is not null and customer_id is not null
    group by email_hash, customer_id

),

accounts as (

    select
        email_hash,
        min_by(customer_id, (known_at, customer_id)) as customer_id,
        min(known_at) as known_at,
        {{ second_of('known_at', 'customer_id') }} as shared_at
    from addresses
    group by email_hash

),

links as (

    -- Told by the end of the visit; within it the clicks of the cart speak for themselves.
    select visitor_id, customer_id, ended_at as linked_at
    from {{ ref('fct_sessions') }}
    where customer_id is not null
    union all
    select events.visitor_id, orders.customer_id, events.occurred_at
    from {{ ref('int_cart_events') }} as events
    inner join {{ ref('stg_orders') }} as orders on orders.order_id = events.order_id
    where events.event_type = 'purchase' and orders.customer_id is not null
    union all
    select events.visitor_id, accounts.customer_id, greatest(events.occurred_at, accounts.known_at)
    from {{ ref('int_cart_events') }} as events
    inner join {{ ref('stg_orders') }} as orders on orders.order_id = events.order_id
    inner join accounts on accounts.email_hash = orders.email_hash
    where events.event_type = 'purchase'
        and orders.customer_id is null
        and (accounts.shared_at is null or accounts.shared_at > greatest(events.occurred_at, accounts.known_at))

),

firsts as (

    select visitor_id, customer_id, min(linked_at) as linked_at
    from links
    group by visitor_id, customer_id

)

select
    visitor_id,
    min_by(customer_id, (linked_at, customer_id)) as customer_id,
    min(linked_at) as linked_at,
    -- From the moment at which a second person was seen nobody can tell who comes.
    {{ second_of('linked_at', 'customer_id') }} as parted_at
from firsts
group by visitor_id
