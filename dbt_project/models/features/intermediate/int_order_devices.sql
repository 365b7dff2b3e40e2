{{ config(materialized='incremental', pre_hook="{{ delete_touched('occurred_on', 'event_dates') }}") }}
select
    event_id,
    order_id,
    device,
    occurred_at as clicked_at,
    occurred_on
from {{ ref('stg_events') }}
where event_type = 'purchase'
    and order_id is not null
    and device is not null
    -- What came later was not known at the order.
    and known_on <= occurred_on
    and {{ is_touched('occurred_on', 'event_dates') }}
