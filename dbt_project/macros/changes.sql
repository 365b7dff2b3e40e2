{#-
    A build that goes by changes makes anew what the partitions touch that changed since the last one (`changes`). What
    that is, is written down before any model runs, by touched.sql in the schema `touched`: keys, orders,
    returns, dates and visits as they were and as they will be. Models that go by changes delete what is touched and
    insert it again. A build that broke off may have deleted already what its tables told, so that the next one adds to
    them.
-#}

{#- What changed; nothing where everything is built. A variable that differs every night would have dbt parse the project anew. -#}
{% macro changes() -%}
    {{ return(fromjson(env_var('NIGHTSHIFT_CHANGES', '{}')) if execute else {}) }}
{%- endmacro %}

{#- Whether the model at hand goes by changes; false where everything is built. -#}
{% macro by_changes() -%}
    {{ return(changes() != {} and is_incremental()) }}
{%- endmacro %}

{#- What stands between the brackets of `in (...)`: `items` is "keys of" or "days of" a feed, or a table of `touched`. -#}
{% macro touched(items) -%}
    {%- set ids = {
        'orders': 'order_id', 'returned_orders': 'order_id', 'returns': 'return_id', 'events': 'event_id',
        'sessions': 'session_key', 'visitors': 'visitor_id', 'cart_visitors': 'visitor_id', 'skus': 'sku',
        'parcel_orders': 'order_id'
    } -%}
    {%- set dates = {'sales_dates': 'sold_on', 'event_dates': 'occurred_on', 'session_dates': 'session_on'} -%}
    {%- if items.startswith('keys of ') -%}
        select key from touched.keys where feed = '{{ items[8:] }}'
    {%- elif items.startswith('days of ') -%}
        {{ listed(changed_days(items[8:])) }}
    {%- elif items in ids -%}
        select {{ ids[items] }} from touched.{{ items }}
    {%- elif execute -%}
        {#- As a list of dates, which lets DuckDB pass over the files and blocks of other days. -#}
        {{ listed(run_query('select distinct ' ~ dates[items] ~ ' from touched.' ~ items ~ ' order by 1').columns[0].values()) }}
    {%- endif -%}
{%- endmacro %}

{#- A condition that holds for what is touched; for all rows where everything is built. -#}
{% macro is_touched(column, items) -%}
    {%- if by_changes() -%} {{ column }} in ({{ touched(items) }}) {%- else -%} true {%- endif -%}
{%- endmacro %}

{#- What a model does before it inserts. -#}
{% macro delete_touched(column, items) -%}
    {% if by_changes() %}delete from {{ this }} where {{ column }} in ({{ touched(items) }}){% endif %}
{%- endmacro %}

{%- macro changed_days(feed) -%}
    {{ return(changes().get('partitions', {}).get(feed, [])) }}
{%- endmacro -%}

{%- macro listed(days) -%}
    {% for day in days %}date '{{ day }}'{{ ', ' if not loop.last }}{% else %}null{% endfor %}
{%- endmacro %}

{#- The first day that the build before did not know. -#}
{%- macro first_new_day() -%}
    {{ add_days("date '" ~ changes()['since'] ~ "'", 1) }}
{%- endmacro -%}

{% macro delete_touched_deletions() -%}
    {% if by_changes() -%}
    delete from {{ this }}
    where false
        {%- for feed in latest_state_keys() %}
        or (feed = '{{ feed }}' and deleted_on in ({{ touched('days of ' ~ feed) }}))
        {%- endfor %}
    {%- endif %}
{%- endmacro %}

{#- The days of delivery between which a click of a changed partition may be repeated. -#}
{% macro events_near_changes() -%}
    {%- set days = changed_days('events') -%}
    {%- if days -%}
    {{ add_days("date '" ~ days[0] ~ "'", -var('event_repeat_days')) }}
    and {{ add_days("date '" ~ days[-1] ~ "'", var('event_repeat_days')) }}
    {%- else -%} null and null {%- endif -%}
{%- endmacro %}

{#- Id and day of every delivery of a click; where a build goes by changes, of those that may be repeated. -#}
{% macro deliveries_of_touched_events() -%}
    select event_id, ds from {{ source('raw', 'events') }}
    where {{ known_by_as_of() }}
    {%- if by_changes() %}
        and ds between {{ events_near_changes() }} and event_id in ({{ touched('events') }})
    {%- endif %}
{%- endmacro %}

{% macro delete_touched_repeats() -%}
    {% if by_changes() -%}
    delete from {{ this }}
    where event_id in ({{ touched('events') }})
        and partition_on between {{ events_near_changes() }} and superseded_on between {{ events_near_changes() }}
    {%- endif %}
{%- endmacro %}

{#- All clicks; where a build goes by changes, those of the touched dates and of the visits that these may join or part. -#}
{% macro clicks_of_touched_visits() -%}
    select * from {{ ref('fct_events') }}
    {%- if by_changes() %}
    where occurred_on in ({{ touched('event_dates') }})
    union all
    select * from {{ ref('fct_events') }} as clicks
    where occurred_on in ({{ touched('session_dates') }})
        and occurred_on not in ({{ touched('event_dates') }})
        and exists (
            select 1 from touched.sessions as visits
            where visits.visitor_id = clicks.visitor_id
                and visits.session_id is not distinct from clicks.session_id
                and clicks.occurred_at between visits.started_at and visits.ended_at
        )
    {%- endif %}
{%- endmacro %}

{#- What sessions are made of, with a number that puts the clicks of a visit in order. -#}
{% macro session_click() -%}
    visitor_id, session_id, customer_id, device, country, traffic_source, event_type, occurred_at, occurred_on,
    {{ moment('occurred_at', 'event_id') }} as moment
{%- endmacro %}

{#- Lines of touched orders and returns, and those that have come of age since. -#}
{% macro is_touched_line(lines) -%}
    {%- if by_changes() -%}
    (
        {{ lines }}.order_id in ({{ touched('returned_orders') }})
        or {{ lines }}.ordered_on between {{ add_days(first_new_day(), -var('return_window_days')) }}
            and {{ add_days(as_of(), -var('return_window_days')) }}
    )
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{% macro delete_touched_line_returns() -%}
    {% if by_changes() %}delete from {{ this }} as held where {{ is_touched_line('held') }}{% endif %}
{%- endmacro %}

{#- Touched parcels, those of touched orders, and those that time alone makes late. -#}
{% macro is_touched_parcel(is_on_its_way) -%}
    {%- if by_changes() -%}
    (
        shipment_id in ({{ touched('keys of shipments') }}) or order_id in ({{ touched('orders') }}) or {{ is_on_its_way }}
    )
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{% macro delete_touched_parcels() -%}
    {% if by_changes() %}delete from {{ this }} where {{ is_touched_parcel('not is_delivered') }}{% endif %}
{%- endmacro %}

{#- The columns of a click that carts are made of; a quantity that is not told is one unit. -#}
{% macro cart_click(units) -%}
    event_id, visitor_id, session_id, customer_id, event_type, sku, coalesce({{ units }}, 1)::decimal(18, 3) as units,
    unit_price, order_id, device, traffic_source, occurred_at, occurred_on, known_on
{%- endmacro %}

{#- The clicks of other days of the touched visitors; they are as they were. -#}
{% macro note_cart_clicks() -%}
    {% if by_changes() -%}
    create or replace table touched.cart_clicks as
    select {{ cart_click('units') }} from {{ this }}
    where visitor_id in ({{ touched('visitors') }}) and occurred_on not in ({{ touched('event_dates') }})
    {%- endif %}
{%- endmacro %}

{#- All clicks that make carts; where a build goes by changes, those of the touched visitors. -#}
{% macro cart_clicks_of_touched_visitors() -%}
    select {{ cart_click('event_units') }} from {{ ref('fct_events') }}
    where {{ is_cart_event() }} and {{ is_touched('visitor_id', 'visitors') }} and {{ is_touched('occurred_on', 'event_dates') }}
    {%- if by_changes() %}
    union all
    select * from touched.cart_clicks
    {%- endif %}
{%- endmacro %}

{#- Visitors with touched clicks, a cart that time alone may end, or one that a later visit bought or buys no more. -#}
{% macro note_cart_visitors() -%}
    {% if by_changes() -%}
    create or replace table touched.cart_visitors as
    select visitor_id from touched.visitors
    union
    select visitor_id from {{ this }} where state in ('open', 'checked_out')
    union
    select visitor_id from (
        (select visitor_id, order_id, purchased_at from {{ this }} where is_recovered
        except select visitor_id, order_id, purchased_at from {{ ref('int_cart_returns') }})
        union all
        (select visitor_id, order_id, purchased_at from {{ ref('int_cart_returns') }}
        except select visitor_id, order_id, purchased_at from {{ this }} where is_recovered)
    ) as changed
    {%- endif %}
{%- endmacro %}

{#- Whether all that changed of the catalog are days that the build before did not know. -#}
{% macro is_catalog_appended() -%}
    {{ return(changed_days('products') | reject('>', changes().get('since', '')) | list == []) }}
{%- endmacro %}

{#- A catalog that changed further back is gone over as a whole. -#}
{% macro delete_touched_products() -%}
    {% if by_changes() and is_catalog_appended() -%}
    delete from {{ this }} where snapshot_on >= {{ first_new_day() }}
    {%- elif by_changes() -%}
    delete from {{ this }}
    {%- endif %}
{%- endmacro %}
