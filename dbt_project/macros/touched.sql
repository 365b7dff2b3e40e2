{#- Runs before the models of a build that goes by changes; see changes.sql. -#}
{% macro note_touched() -%}
{%- if execute and changes() != {} and flags.WHICH == 'build' -%}
create schema if not exists touched;
{{ note('keys', 'feed varchar, key varchar', touched_keys()) }}
{{ note('skus', 'sku varchar', touched_skus()) }}
{{ note('orders', 'order_id varchar', touched_orders()) }}
{{ note('returns', 'return_id varchar', touched_returns()) }}
{{ note('returned_orders', 'order_id varchar', touched_returned_orders()) }}
{{ note('sales_dates', 'sold_on date', touched_sales_dates()) }}
{{ note('events', 'event_id varchar', touched_events()) }}
{{ note('event_dates', 'occurred_on date', touched_event_dates()) }}
{{ note('sessions', 'session_key varchar, visitor_id varchar, session_id varchar, started_at timestamp, ended_at timestamp', touched_sessions()) }}
{{ note('session_dates', 'session_on date', touched_session_dates()) }}
{{ note('visitors', 'visitor_id varchar', touched_visitors()) }}
{{ note('order_devices', 'order_id varchar', touched_order_devices()) }}
{{ note('parcel_orders', 'order_id varchar', touched_parcel_orders()) }}
create or replace table touched.order_history_before as {{ touched_order_history('staging.stg_orders') }};
create or replace table touched.history_before as {{ touched_history('marts.fct_order_lines', 'staging.stg_returns') }};
{%- if not changes()['is_resumed'] %}
create or replace table touched.calendar_before as select calendar_on, location_id, is_open from staging.stg_calendar;
{%- endif %}
{%- endif -%}
{%- endmacro %}

{%- macro note(table, columns, rows) -%}
create {{ 'table if not exists' if changes()['is_resumed'] else 'or replace table' }} touched.{{ table }} ({{ columns }});
insert into touched.{{ table }}
{{ rows }};
{%- endmacro -%}

{#- Raw rows of the days of a feed that changed, known by as_of or not. -#}
{%- macro changed_rows(feed) -%}
{{ source('raw', feed) }} where ds in ({{ touched('days of ' ~ feed) }})
{%- endmacro -%}

{#- Keys that a changed partition holds, or held when it gave the state that is known, the first one or a deletion. -#}
{% macro touched_keys() -%}
{%- for feed, key in latest_state_keys().items() %}
select '{{ feed }}' as feed, {{ key }} as key from {{ changed_rows(feed) }}
union
select '{{ feed }}', {{ key }} from staging.stg_{{ feed }}
where partition_on in ({{ touched('days of ' ~ feed) }})
    {%- for first in {'returns': ['first_partition_on'], 'shipments': ['first_partition_on', 'delivery_partition_on']}.get(feed, []) %}
    or {{ first }} in ({{ touched('days of ' ~ feed) }})
    {%- endfor %}
union
select feed, deleted_id from staging.stg_deletions where feed = '{{ feed }}' and deleted_on in ({{ touched('days of ' ~ feed) }})
{{ 'union' if not loop.last }}
{%- endfor %}
{%- endmacro %}

{#- The first day for which the catalog may say something else than it did. -#}
{% macro catalog_from() -%}
    {%- set first = changed_days('products')[:1] -%}
    {{ 'least(' ~ first_new_day() ~ ", date '" ~ first[0] ~ "')" if first else first_new_day() }}
{%- endmacro %}

{#- SKUs that were not in the catalog before that day: their first snapshot answers for all their past. -#}
{% macro touched_skus() -%}
select sku from {{ changed_rows('products') }}
union
select sku from marts.dim_product where first_seen_on >= {{ catalog_from() }}
except
select sku from marts.dim_product where first_seen_on < {{ catalog_from() }}
{%- endmacro %}

{% macro touched_orders() -%}
{{ touched('keys of orders') }}
union
select order_id from {{ source('raw', 'order_lines') }} where order_line_id in ({{ touched('keys of order_lines') }})
union
select order_id from staging.stg_order_lines where order_line_id in ({{ touched('keys of order_lines') }})
union
select order_id from marts.fct_order_lines
where ordered_on >= {{ catalog_from() }} or sku in ({{ touched('skus') }})
{%- endmacro %}

{% macro touched_returns() -%}
{{ touched('keys of returns') }}
union
select return_id from marts.fct_returns
where order_id in ({{ touched('orders') }}) or order_line_id in ({{ touched('keys of order_lines') }})
{%- endmacro %}

{#- Orders of which something else may have come back: the touched ones, and those of touched returns. -#}
{% macro touched_returned_orders() -%}
{{ touched('orders') }}
union
select order_id from marts.fct_returns where return_id in ({{ touched('returns') }}) and order_id is not null
union
select order_id from marts.fct_order_lines
where order_line_id in (
    select order_line_id from {{ source('raw', 'returns') }} where return_id in ({{ touched('keys of returns') }})
)
{%- endmacro %}

{#- Days whose sales, returns or closing stock are touched. -#}
{% macro touched_sales_dates() -%}
select ordered_on from marts.fct_order_lines where order_id in ({{ touched('orders') }}) and ordered_on is not null
union
select business_date from {{ source('raw', 'orders') }} where order_id in ({{ touched('orders') }}) and business_date is not null
union
select requested_on from marts.fct_returns where return_id in ({{ touched('returns') }}) and requested_on is not null
union
select business_date from {{ source('raw', 'returns') }}
where return_id in ({{ touched('keys of returns') }}) and business_date is not null
{%- for day in changed_days('inventory') %}
union
select date '{{ day }}'
{%- endfor %}
{%- endmacro %}

{#- Clicks that a changed partition holds or gave: another delivery of theirs may be the one that counts now. -#}
{% macro touched_events() -%}
select event_id from {{ changed_rows('events') }}
union
select event_id from staging.stg_event_repeats
where partition_on in ({{ touched('days of events') }}) or superseded_on in ({{ touched('days of events') }})
{%- endmacro %}

{#- The dates of the changed partitions, and of the same clicks in others. -#}
{% macro touched_event_dates() -%}
select business_date from {{ source('raw', 'events') }}
where ds between {{ events_near_changes() }} and event_id in ({{ touched('events') }})
{%- for day in changes()['event_dates'] %}
union
select date '{{ day }}'
{%- endfor %}
{%- endmacro %}

{#- The clicks of these dates: those that are held, and every delivery of those that a change touches. -#}
{% macro clicks_of_touched_dates() -%}
select visitor_id, session_id, event_type from marts.fct_events
where occurred_on in (select occurred_on from touched.event_dates)
union all
select visitor_id, session_id, event_type from {{ source('raw', 'events') }}
where ds between {{ events_near_changes() }} and event_id in ({{ touched('events') }})
{%- endmacro %}

{#- Visits that a change of these dates can lengthen, shorten, join or part. -#}
{% macro touched_sessions() -%}
select session_key, visitor_id, session_id, started_at, ended_at
from marts.fct_sessions
-- First between the outermost of the dates, which is told from two columns alone.
where session_on <= (select max(occurred_on) + 1 from touched.event_dates)
    and ended_at >= (select min(occurred_on) - 2 from touched.event_dates)
    and exists (
        select 1 from touched.event_dates as days
        where fct_sessions.session_on <= days.occurred_on + 1 and fct_sessions.ended_at >= days.occurred_on - 2
    )
union
select session_key, visitor_id, session_id, started_at, ended_at
from marts.fct_sessions
-- First by the session's id alone, which leaves few to compare by both.
where session_id in (select session_id from ({{ clicks_of_touched_dates() }}) as clicks where session_id is not null)
    and (visitor_id, session_id) in (
        select (visitor_id, session_id) from ({{ clicks_of_touched_dates() }}) as clicks where session_id is not null
    )
{%- endmacro %}

{#- Every day on which such a visit may have begun, or begin. -#}
{% macro touched_session_dates() -%}
select occurred_on from touched.event_dates
union
select unnest(generate_series(started_at::date - 1, ended_at::date + 1, interval 1 day))::date
from (select distinct started_at::date as started_at, ended_at::date as ended_at from touched.sessions)
{%- endmacro %}

{#- Visitors whose carts may be others. -#}
{% macro touched_visitors() -%}
select distinct visitor_id from ({{ clicks_of_touched_dates() }}) as clicks where {{ is_cart_event() }}
{%- endmacro %}

{#- Orders whose purchase click was among those of touched dates. -#}
{% macro touched_order_devices() -%}
select order_id from intermediate.int_order_devices where occurred_on in (select occurred_on from touched.event_dates)
{%- endmacro %}

{#- Orders that a touched parcel belongs to, or belonged to. -#}
{% macro touched_parcel_orders() -%}
select order_id from staging.stg_shipments where shipment_id in ({{ touched('keys of shipments') }})
union
select order_id from {{ source('raw', 'shipments') }}
where shipment_id in ({{ touched('keys of shipments') }}) and order_id is not null
{%- endmacro %}
