{%- set feeds = ['orders', 'order_lines', 'returns', 'products', 'inventory', 'promotions', 'calendar', 'customers', 'events', 'shipments'] -%}
select
    {{ as_of() }} as as_of,
    '{{ var("timezone") }}' as timezone,
    '{{ var("currency") }}' as currency,
    {{ var('horizon_days') }} as horizon_days,
    {{ var('return_window_days') }} as return_window_days,
    {{ var('prices_include_tax') | string | lower }} as has_tax_in_prices,
    '{{ feeds | select("in", var("feeds")) | join(", ") }}' as feeds_present,
    '{{ feeds | reject("in", var("feeds")) | join(", ") }}' as feeds_absent
