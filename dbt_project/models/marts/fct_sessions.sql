{%- set visit = fast_hash(['visitor_id']) ~ ', ' ~ fast_hash(['session_id']) -%}
with events as (

    select
        visitor_id,
        session_id,
        customer_id,
        event_type,
        device,
        country,
        traffic_source,
        occurred_at,
        occurred_on,
        row_number() over visit as event_number,
        -- Not "occurred_at - previous > 30 minutes": subtracting instants is several times slower.
        session_id is null and occurred_at > lag(occurred_at) over visit + interval 30 minute as is_after_gap
    from {{ ref('stg_events') }}
    window visit as (partition by {{ visit }} order by occurred_at, {{ fast_hash(['event_id']) }})

),

numbered as (

    select
        *,
        count(*) filter (where is_after_gap) over (
            partition by {{ visit }} order by event_number rows unbounded preceding
        ) as session_number
    from events

),

sessions as (

    select
        visitor_id,
        session_id,
        max_by(customer_id, event_number) as customer_id,
        min_by(device, event_number) as device,
        min_by(country, event_number) as country,
        min_by(traffic_source, event_number) as traffic_source,
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
