-- Clicks, visits and carts.
create table marts.fct_events as
select
    event_id,
    visitor_id,
    session_id,
    customer_id,
    order_id,
    sku,
    type::varchar as event_type,
    device,
    country,
    traffic_source,
    page_url,
    attributes as event_attributes,
    units as event_units,
    price as unit_price,
    clicked_at as occurred_at,
    occurred_on,
    known_on,
    known_on as partition_on
from work.events;

create table marts.fct_sessions as
with clicks as (
    select *, (epoch_us(clicked_at)::hugeint * 18446744073709551616 + hash(event_id)) as moment, 0 as session_number
    from work.events
    where session_id is not null
    union all
    select * exclude (is_after_gap), count(*) filter (where is_after_gap) over (
        partition by hash(visitor_id) order by moment rows unbounded preceding
    )
    from (
        select
            *,
            (epoch_us(clicked_at)::hugeint * 18446744073709551616 + hash(event_id)) as moment,
            clicked_at > lag(clicked_at) over (partition by hash(visitor_id) order by moment) + interval 30 minute as is_after_gap
        from work.events
        where session_id is null
    )
),

sessions as (
    select
        visitor_id,
        session_id,
        max_by(customer_id, moment) as customer_id,
        min_by(device, moment) as device,
        min_by(country, moment) as country,
        min_by(traffic_source, moment) as traffic_source,
        min(clicked_at) as started_at,
        max(clicked_at) as ended_at,
        min(occurred_on) as session_on,
        count(*)::integer as event_count,
        (count(*) filter (where type = 'page_view'))::integer as page_view_count,
        (count(*) filter (where type = 'search'))::integer as search_count,
        (count(*) filter (where type = 'product_view'))::integer as product_view_count,
        (count(*) filter (where type = 'add_to_cart'))::integer as add_to_cart_count,
        (count(*) filter (where type = 'remove_from_cart'))::integer as remove_from_cart_count,
        (count(*) filter (where type = 'checkout_start'))::integer as checkout_start_count,
        (count(*) filter (where type = 'purchase'))::integer as purchase_count
    from clicks
    group by visitor_id, session_id, session_number
)

select
    md5(concat_ws('|', visitor_id, coalesce(session_id, ''), started_at::varchar)) as session_key,
    *,
    add_to_cart_count > 0 as has_cart,
    checkout_start_count > 0 as has_checkout,
    purchase_count > 0 as has_purchase,
    add_to_cart_count + remove_from_cart_count + checkout_start_count + purchase_count = 0
        and event_count >= 15
        and (date_diff('second', started_at, ended_at) < 5 * (event_count - 1) or event_count >= 500) as is_bot
from sessions;

create temp table cart_events as
with events as (
    select
        event_id,
        visitor_id,
        customer_id,
        type,
        sku,
        coalesce(units, 1)::decimal(18, 3) as units,
        price,
        order_id,
        clicked_at,
        occurred_on,
        known_on,
        row_number() over by_visitor as event_number,
        lag(clicked_at) over by_visitor as previous_at,
        lag(type) over by_visitor as previous_type,
        lag(order_id) over by_visitor as previous_order_id
    from work.events
    where type in ('add_to_cart', 'remove_from_cart', 'checkout_start', 'purchase')
    window by_visitor as (
        partition by hash(visitor_id) order by clicked_at, case when type = 'purchase' then 1 else 0 end, hash(event_id)
    )
)

select
    * exclude (previous_at, previous_type, previous_order_id),
    count(*) filter (
        where previous_at is null
            or clicked_at > previous_at + interval 24 hour
            or (previous_type = 'purchase' and not (type = 'purchase' and order_id is not distinct from previous_order_id))
    ) over (partition by hash(visitor_id) order by event_number rows unbounded preceding) as cart_number
from events;

create temp table cart_items as
select
    visitor_id,
    cart_number,
    sku,
    greatest(added - removed, 0)::decimal(18, 3) as units,
    share_of(added_amount, greatest(added - removed, 0), added) as cart_amount
from (
    select
        visitor_id,
        cart_number,
        sku,
        sum(units) filter (where type = 'add_to_cart') as added,
        coalesce(sum(units) filter (where type = 'remove_from_cart'), 0) as removed,
        sum(round(units * price, 2)) filter (where type = 'add_to_cart') as added_amount
    from cart_events
    where type in ('add_to_cart', 'remove_from_cart')
    group by visitor_id, cart_number, sku
)
where added > 0;

create temp table carts as
select
    visitor_id,
    cart_number,
    max_by(customer_id, event_number) filter (where customer_id is not null) as customer_id,
    min(clicked_at) filter (where type = 'add_to_cart') as started_at,
    min(occurred_on) filter (where type = 'add_to_cart') as started_on,
    min(clicked_at) filter (where type = 'checkout_start') as checkout_started_at,
    max(clicked_at) as last_activity_at,
    min(clicked_at) filter (where type = 'purchase') as purchased_at,
    min_by(order_id, event_number) filter (where type = 'purchase') as order_id
from cart_events
group by visitor_id, cart_number;

-- Bought without having been put in the cart of the visit: it lay in an earlier one.
create temp table cart_returns as
with purchases as (
    select events.visitor_id, events.customer_id, events.order_id, events.sku, events.clicked_at
    from cart_events as events
    left join cart_items as items
        on items.visitor_id = events.visitor_id and items.cart_number = events.cart_number and items.sku = events.sku
    where events.type = 'purchase' and events.order_id is not null and items.sku is null
),

items as (
    select carts.visitor_id, carts.cart_number, carts.customer_id, carts.last_activity_at, items.sku
    from carts
    inner join cart_items as items on items.visitor_id = carts.visitor_id and items.cart_number = carts.cart_number
    where items.units > 0 and carts.purchased_at is null
),

matches as (
    select items.*, purchases.order_id, purchases.clicked_at as purchased_at
    from purchases
    inner join items on items.sku = purchases.sku and items.visitor_id = purchases.visitor_id
    union
    select items.*, purchases.order_id, purchases.clicked_at
    from purchases
    inner join items on items.sku = purchases.sku and items.customer_id = purchases.customer_id
),

pairs as (
    select visitor_id, cart_number, order_id, min(purchased_at) as purchased_at
    from matches
    where purchased_at > last_activity_at and purchased_at <= last_activity_at + interval 14 day
    group by visitor_id, cart_number, order_id
    qualify row_number() over (
        partition by order_id order by count(*) desc, max(last_activity_at) desc, visitor_id, cart_number
    ) = 1
)

select visitor_id, cart_number, order_id, purchased_at
from pairs
qualify row_number() over (partition by visitor_id, cart_number order by purchased_at, order_id) = 1;

create table marts.fct_carts as
with contents as (
    select
        visitor_id,
        cart_number,
        count(*) filter (where units > 0) as sku_count,
        sum(units) as units,
        sum(cart_amount) as cart_amount
    from cart_items
    group by visitor_id, cart_number
)

select
    md5(concat_ws('|', carts.visitor_id, carts.started_at::varchar)) as cart_key,
    carts.visitor_id,
    carts.customer_id,
    carts.started_at,
    carts.started_on,
    carts.checkout_started_at,
    carts.last_activity_at,
    carts.last_activity_at + interval 24 hour as abandoned_at,
    coalesce(carts.purchased_at, returns.purchased_at) as purchased_at,
    coalesce(carts.order_id, returns.order_id) as order_id,
    case
        when coalesce(carts.purchased_at, returns.purchased_at) is not null then 'bought'
        when coalesce(contents.units, 0) = 0 then 'emptied'
        when carts.last_activity_at + interval 24 hour <= day_begins(as_of() + 1) then 'abandoned'
        when carts.checkout_started_at is not null then 'checked_out'
        else 'open'
    end as state,
    coalesce(contents.sku_count, 0)::integer as sku_count,
    coalesce(contents.units, 0)::decimal(18, 3) as cart_units,
    coalesce(contents.cart_amount, 0)::decimal(18, 2) as cart_amount,
    carts.checkout_started_at is not null as has_checkout,
    carts.purchased_at is null and returns.purchased_at is not null as is_recovered
from carts
left join contents on contents.visitor_id = carts.visitor_id and contents.cart_number = carts.cart_number
left join cart_returns as returns on returns.visitor_id = carts.visitor_id and returns.cart_number = carts.cart_number
where carts.started_at is not null;
