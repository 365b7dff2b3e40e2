{{ config(materialized='incremental', pre_hook="{{ delete_touched_deletions() }}") }}
{% for feed, key in latest_state_keys().items() -%}
select '{{ feed }}' as feed, {{ key }} as deleted_id, ds as deleted_on
from {{ source('raw', feed) }}
where {{ known_by_as_of() }} and is_deleted and {{ is_touched('ds', 'days of ' ~ feed) }}
{{ 'union all' if not loop.last }}
{% endfor %}
