{#-
    A build that goes by changes makes anew what the partitions touch that changed since the last one (the variable
    `changes`). What that is, is written down before any model runs, in the schema `touched`: the keys, orders, returns,
    dates and visits as they were and as they will be. Models that go by changes delete what is touched and insert it
    again. A build that broke off may have deleted already what its tables told, so that the next one adds to them.
-#}

{#- Whether the model at hand goes by changes; false where everything is built. -#}
{% macro by_changes() -%}
    {{ return(var('changes') != {} and is_incremental()) }}
{%- endmacro %}

{#- What a model does before it inserts: rows whose `column` is among `selected` go. -#}
{% macro delete_touched(column, selected) -%}
    {% if by_changes() %}delete from {{ this }} where {{ column }} in ({{ selected }}){% endif %}
{%- endmacro %}

{#- A condition on `column`; all rows where everything is built. -#}
{% macro is_touched(column, selected) -%}
    {%- if by_changes() -%} {{ column }} in ({{ selected }}) {%- else -%} true {%- endif -%}
{%- endmacro %}

{% macro keys_of(feed) -%}
    select key from touched.keys where feed = '{{ feed }}'
{%- endmacro %}

{%- macro days_list(days) -%}
    ({% for day in days %}date '{{ day }}'{{ ', ' if not loop.last }}{% else %}null{% endfor %})
{%- endmacro %}

{%- macro changed_days(feed) -%}
    {{ days_list(var('changes').get('partitions', {}).get(feed, [])) }}
{%- endmacro -%}

{#- Raw rows of the days of a feed that changed, known by as_of or not. -#}
{%- macro changed_rows(feed) -%}
    {{ source('raw', feed) }} where ds in {{ changed_days(feed) }}
{%- endmacro -%}

{%- macro note(table, columns, rows) -%}
    {% if var('changes')['is_resumed'] -%}
    create table if not exists touched.{{ table }} ({{ columns }});
    {%- else -%}
    create or replace table touched.{{ table }} ({{ columns }});
    {%- endif %}
    insert into touched.{{ table }}
    {{ rows }};
{%- endmacro -%}

{#- The days of delivery between which a click of a changed partition may be repeated. -#}
{% macro events_near_changes() -%}
    {%- set days = var('changes').get('partitions', {}).get('events', []) -%}
    {%- if days -%}
    {{ add_days("date '" ~ days[0] ~ "'", -var('event_repeat_days')) }}
    and {{ add_days("date '" ~ days[-1] ~ "'", var('event_repeat_days')) }}
    {%- else -%} null and null {%- endif -%}
{%- endmacro %}

{% macro delete_touched_repeats() -%}
    {% if by_changes() -%}
    delete from {{ this }}
    where event_id in (select event_id from touched.events)
        and partition_on between {{ events_near_changes() }} and superseded_on between {{ events_near_changes() }}
    {%- endif %}
{%- endmacro %}

{#- All clicks; where a build goes by changes, those of the touched dates and of the visits that these may join or part. -#}
{% macro clicks_of_touched_visits() -%}
    select * from {{ ref('stg_events') }}
    {%- if by_changes() %}
    where occurred_on in (select occurred_on from touched.event_dates)
    union all
    select * from {{ ref('stg_events') }} as clicks
    where occurred_on in (select session_on from touched.session_dates)
        and occurred_on not in (select occurred_on from touched.event_dates)
        and exists (
            select 1 from touched.sessions as visits
            where visits.visitor_id = clicks.visitor_id
                and visits.session_id is not distinct from clicks.session_id
                and clicks.occurred_at between visits.started_at and visits.ended_at
        )
    {%- endif %}
{%- endmacro %}

{#- Lines of touched orders and returns, and those that have come of age since. -#}
{% macro is_touched_line(lines) -%}
    {%- if by_changes() -%}
    (
        {{ lines }}.order_id in (select order_id from touched.returned_orders)
        or {{ lines }}.ordered_on between {{ add_days("date '" ~ var('changes')['since'] ~ "'", 1 - var('return_window_days')) }}
            and {{ add_days(as_of(), -var('return_window_days')) }}
    )
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{% macro delete_touched_line_returns() -%}
    {% if by_changes() %}delete from {{ this }} as held where {{ is_touched_line('held') }}{% endif %}
{%- endmacro %}
