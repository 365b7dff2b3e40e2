{{ config(materialized='incremental', pre_hook="{{ delete_touched('session_key', 'sessions') }}") }}
-- Clicks with a session's id are read apart from those without: a step that both came from would be kept in memory.
with told as (

    select {{ session_click() }} from ({{ clicks_of_touched_visits() }}) as clicks
    where session_id is not null

),

untold as (

    select {{ session_click() }} from ({{ clicks_of_touched_visits() }}) as clicks
    where session_id is null

),

-- Only where the clickstream names no session do pauses tell one: these clicks alone are put in order.
after_gaps as (

    select
        *,
        -- Not "occurred_at - previous > 30 minutes": subtracting instants is several times slower.
        occurred_at > lag(occurred_at) over by_visitor + interval 30 minute as is_after_gap
    from untold
    window by_visitor as (partition by {{ fast_hash(['visitor_id']) }} order by moment)

),

numbered as (

    select *, false as is_after_gap, 0 as session_number
    from told
    union all
    select
        *,
        count(*) filter (where is_after_gap) over (
            partition by {{ fast_hash(['visitor_id']) }} order by moment rows unbounded preceding
        ) as session_number
    from after_gaps

),

sessions as (

    select
        visitor_id,
        session_id,
        max_by(customer_id, moment) as customer_id,
        min_by(device, moment) as device,
        min_by(country, moment) as country,
        min_by(traffic_source, moment) as traffic_source,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        min(occurred_on) as session_on,
        count(*) as event_count,
        {%- for type in ['page_view', 'search', 'product_view', 'add_to_cart', 'remove_from_cart', 'checkout_start', 'purchase'] %}
        count(*) filter (where event_type = '{{ type }}') as {{ type }}_count{{ ',' if not loop.last }}
        {%- endfor %}
    from numbered
    group by visitor_id, session_id, session_number

)

select
    md5(concat_ws('|', visitor_id, coalesce(session_id, ''), started_at::varchar)) as session_key,
    visitor_id,
    session_id,
    customer_id,
    device,
    country,
    traffic_source,
    started_at,
    ended_at,
    session_on,
    event_count::integer as event_count,
    page_view_count::integer as page_view_count,
    search_count::integer as search_count,
    product_view_count::integer as product_view_count,
    add_to_cart_count::integer as add_to_cart_count,
    remove_from_cart_count::integer as remove_from_cart_count,
    checkout_start_count::integer as checkout_start_count,
    purchase_count::integer as purchase_count,
    add_to_cart_count > 0 as has_cart,
    checkout_start_count > 0 as has_checkout,
    purchase_count > 0 as has_purchase,
    {{ is_bot_like() }} as is_bot
from sessions
