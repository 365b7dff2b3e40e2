{{ config(materialized='incremental', pre_hook="{{ delete_touched_products() }}") }}
{%- set tracked = [
    'style_id', 'title', 'size', 'color', 'category', 'brand', 'supplier', 'unit_of_measure', 'is_active',
    'attributes', 'image_url', 'list_price', 'unit_cost', 'lead_time_days', 'pack_size', 'min_order_quantity',
    'launched_on'
] -%}
{%- set columns = ['sku', 'snapshot_on', 'category_1', 'category_2', 'category_3'] + tracked -%}
with snapshots as (

    select {{ columns | join(', ') }} from {{ ref('stg_products') }}
    {%- if by_changes() and is_catalog_appended() %}
    where snapshot_on >= {{ first_new_day() }}
    union all
    -- The state in which the days before left each SKU.
    (
        select {{ columns | join(', ') }} from {{ this }}
        qualify row_number() over (partition by sku order by snapshot_on desc) = 1
    )
    {%- endif %}

),

states as (

    select *, {{ fast_hash(tracked) }} as state from snapshots

),

changes as (

    select
        *,
        state is distinct from lag(state) over by_sku or lag(snapshot_on) over by_sku is null as is_change
    from states
    window by_sku as (partition by sku order by snapshot_on)

)

select {{ columns | join(', ') }}
from changes
where is_change
    {%- if by_changes() and is_catalog_appended() %} and snapshot_on >= {{ first_new_day() }} {%- endif %}
