{{ config(materialized='incremental', pre_hook="{{ delete_touched('stock_on', changed_days('inventory')[1:-1]) }}") }}
select
    sku,
    location_id,
    stock_on,
    units_on_hand,
    units_on_order
from {{ ref('stg_inventory') }}
where {{ is_touched('stock_on', changed_days('inventory')[1:-1]) }}
