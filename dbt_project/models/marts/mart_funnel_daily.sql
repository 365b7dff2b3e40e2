{{ config(materialized='incremental', pre_hook="{{ delete_touched('session_on', 'session_dates') }}") }}
select
    session_on,
    coalesce(device, '(none)') as device,
    coalesce(traffic_source, '(none)') as traffic_source,
    count(*) filter (where not is_bot)::integer as session_count,
    count(distinct visitor_id) filter (where not is_bot)::integer as visitor_count,
    count(*) filter (where not is_bot and product_view_count > 0)::integer as viewing_session_count,
    count(*) filter (where not is_bot and has_cart)::integer as cart_session_count,
    count(*) filter (where not is_bot and has_checkout)::integer as checkout_session_count,
    count(*) filter (where not is_bot and has_purchase)::integer as purchase_session_count,
    {{ conversion_pct() }} as conversion_pct,
    coalesce(sum(event_count) filter (where not is_bot), 0)::integer as event_count,
    count(*) filter (where is_bot)::integer as bot_session_count,
    coalesce(sum(event_count) filter (where is_bot), 0)::integer as bot_event_count
from {{ ref('fct_sessions') }}
where {{ is_touched('session_on', 'session_dates') }}
group by session_on, coalesce(device, '(none)'), coalesce(traffic_source, '(none)')
