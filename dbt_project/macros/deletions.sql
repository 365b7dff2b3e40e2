{#- The feeds whose rows are states of a key, of which staging keeps the latest; with the key. -#}
{% macro latest_state_keys() -%}
    {{ return({
        'orders': 'order_id', 'order_lines': 'order_line_id', 'returns': 'return_id', 'customers': 'customer_id',
        'shipments': 'shipment_id', 'cart_messages': 'cart_id'
    }) }}
{%- endmacro %}

{#-
    The states of a feed known by as_of that no tombstone without an instant takes back: such a one speaks for all
    that was delivered of its key up to its day. One with an `updated_at` is a state among the others, the deleted one.
-#}
{% macro standing_states(feed, key) -%}
    select states.* from {{ source('raw', feed) }} as states
    left join (
        select {{ key }}, max(ds) as last_ds from {{ source('raw', feed) }}
        where {{ known_by_as_of() }} and is_deleted and updated_at is null
        group by {{ key }}
    ) as taken_back on taken_back.{{ key }} = states.{{ key }}
    where {{ known_by_as_of() }}
        and (taken_back.last_ds is null or states.ds > taken_back.last_ds)
        and {{ is_touched('states.' ~ key, 'keys of ' ~ feed) }}
{%- endmacro %}
