{{ config(materialized='incremental', pre_hook="{{ delete_touched('stock_on', 'days of inventory') }}") }}
select
    sku,
    location_id,
    stock_on,
    units_on_hand,
    units_on_order
from {{ ref('stg_inventory') }}
where {{ is_touched('stock_on', 'days of inventory') }}
