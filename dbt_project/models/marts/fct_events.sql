{{ config(materialized='incremental', pre_hook="{{ delete_touched('occurred_on', 'event_dates') }}") }}
select
    event_id,
    visitor_id,
    session_id,
    customer_id,
    order_id,
    sku,
    event_type,
    device,
    country,
    traffic_source,
    page_url,
    attributes as event_attributes,
    units as event_units,
    unit_price,
    occurred_at,
    occurred_on,
    known_on,
    partition_on
from {{ ref('stg_events') }}
where {{ is_touched('occurred_on', 'event_dates') }}
