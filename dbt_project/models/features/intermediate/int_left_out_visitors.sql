with sessions as (

    select
        visitor_id,
        is_bot,
        started_at,
        ended_at,
        {%- for column in ['traffic_source', 'visitor_id', 'customer_id'] %}
        {{ 'or ' if not loop.first }}coalesce(
            {{ column }} in (select left_out_value from {{ ref('internal_traffic') }} where told_by = '{{ column }}'), false
        )
        {%- endfor %} as is_internal
    from {{ ref('fct_sessions') }}

)

select
    visitor_id,
    min(started_at) filter (where is_internal) as internal_from_at,
    min(ended_at) filter (where is_bot) as bot_from_at
from sessions
where is_bot or is_internal
group by visitor_id
