{%- set references = [
    {'feed': 'order_lines', 'row_id': 'order_line_id', 'refers_to': 'orders', 'by': 'order_id'},
    {'feed': 'order_lines', 'row_id': 'order_line_id', 'refers_to': 'products', 'by': 'sku'},
    {'feed': 'returns', 'row_id': 'return_id', 'refers_to': 'order_lines', 'by': 'order_line_id'},
    {'feed': 'shipments', 'row_id': 'shipment_id', 'refers_to': 'orders', 'by': 'order_id'},
    {'feed': 'events', 'row_id': 'event_id', 'refers_to': 'orders', 'by': 'order_id'},
    {'feed': 'orders', 'row_id': 'order_id', 'refers_to': 'customers', 'by': 'customer_id'},
    {'feed': 'promotions', 'row_id': "promotion_id || ' ' || sku", 'refers_to': 'products', 'by': 'sku'},
    {'feed': 'inventory', 'row_id': "sku || ' ' || location_id", 'refers_to': 'products', 'by': 'sku'},
] -%}

with orphans as (

    {% for reference in references -%}
    select
        '{{ reference.feed }}' as feed,
        {{ reference.row_id }} as row_id,
        '{{ reference.refers_to }}' as referenced_feed,
        {{ reference.by }} as referenced_id,
        -- A stock record is delivered every day: what waits is the SKU, since its first one.
        {{ 'min(stock_on)' if reference.feed == 'inventory' else 'known_on' }} as known_on
    from {{ ref({'inventory': 'fct_inventory_daily', 'events': 'fct_events'}.get(reference.feed, 'stg_' ~ reference.feed)) }} as delivered
    where
        {{ 'true' if reference.refers_to in var('feeds') else 'false' }}
        and {{ reference.by }} is not null
        {%- if reference.feed == 'events' %}
        and event_type = 'purchase'
        {%- endif %}
        -- Not "not exists": an anti join looks at every row for several times as long.
        and {{ reference.by }} not in (
            select {{ reference.by }}
            from {{ ref('dim_product' if reference.refers_to == 'products' else 'stg_' ~ reference.refers_to) }}
        )
        and {{ reference.by }} not in (
            select deleted_id from {{ ref('stg_deletions') }} where feed = '{{ reference.refers_to }}'
        )
    {%- if reference.feed == 'inventory' %}
    group by sku, location_id
    {%- endif %}
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select
    feed,
    row_id,
    referenced_feed,
    referenced_id,
    known_on,
    {{ days_between('known_on', as_of()) }} as days_waiting,
    {{ days_between('known_on', as_of()) }} > {{ var('orphan_days') }} as is_overdue
from orphans
