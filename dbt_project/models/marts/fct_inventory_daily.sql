select
    sku,
    location_id,
    stock_on,
    units_on_hand,
    units_on_order
from {{ ref('stg_inventory') }}
