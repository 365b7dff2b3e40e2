{%- set keys = {
    'orders': 'order_id', 'order_lines': 'order_line_id', 'customers': 'customer_id'
} -%}

{% for feed, key in keys.items() -%}
select distinct '{{ feed }}' as feed, {{ key }} as deleted_id
from {{ source('raw', feed) }}
where {{ known_by_as_of() }} and is_deleted
{{ 'union all' if not loop.last }}
{% endfor %}
