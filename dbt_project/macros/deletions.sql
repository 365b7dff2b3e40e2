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
    where {{ known_by_as_of() }} and (taken_back.last_ds is null or states.ds > taken_back.last_ds)
{%- endmacro %}
