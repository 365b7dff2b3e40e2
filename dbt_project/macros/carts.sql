{#- How what is known of carts goes by changes: a decision looks back only, so that what is touched is all from a day on. See changes.sql. -#}

{#- A figure of the store's policy for abandoned carts. -#}
{% macro cart_recovery(name) -%}
    {%- set value = var('cart_recovery')[name] -%}
    {{ value if value is not none else 'null' }}
{%- endmacro %}

{#- What links of visitors and histories of customers are made of, of touched orders. -#}
{% macro touched_order_history(orders) -%}
    select order_id, {{ fast_hash(['customer_id', 'email_hash', 'ordered_at']) }} as fact, ordered_on
    from {{ orders }}
    where order_id in ({{ touched('orders') }})
{%- endmacro %}

{#- The first business day whose decisions may have known something else: of changed clicks, orders, catalog and stock. -#}
{% macro carts_from() -%}
    {%- set stock = changed_days('inventory')[:1] -%}
    {%- set query -%}
        with held as (

            select * from touched.order_history_before

        ),

        found as (

            {{ touched_order_history(ref('stg_orders')) }}

        )

        select least(
            {{ catalog_from() }},
            (select min(occurred_on) from touched.event_dates),
            {%- if stock %} date '{{ stock[0] }}', {%- endif %}
            (
                select min(ordered_on) from (
                    (select * from held except select * from found)
                    union all
                    (select * from found except select * from held)
                ) as changed
            )
        )
    {%- endset -%}
    {%- if execute -%} date '{{ run_query(query).columns[0].values()[0] }}' {%- endif -%}
{%- endmacro %}

{#- Decisions from that day on; all, after a build that broke off. -#}
{% macro is_touched_decision(day, days_before=0) -%}
    {%- if by_changes() and not changes()['is_resumed'] -%}
    {{ day }} >= {{ add_days(carts_from(), -days_before) }}
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{% macro delete_touched_decisions(day, days_before=0) -%}
    {% if by_changes() %}delete from {{ this }} where {{ is_touched_decision(day, days_before) }}{% endif %}
{%- endmacro %}

{#- The same of messages, whose states change by themselves too. -#}
{% macro is_touched_message() -%}
    {%- if by_changes() -%}
    (cart_id in ({{ touched('keys of cart_messages') }}) or {{ is_touched_decision('assigned_on') }})
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{% macro delete_touched_messages() -%}
    {% if by_changes() %}delete from {{ this }} where {{ is_touched_message() }}{% endif %}
{%- endmacro %}

{#- What a decision is known by within a build. -#}
{% macro decision() -%} visitor_id, cart_number, moment, decided_on {%- endmacro %}

{#- What the catalog said on the days of decisions: price and cost then, and the prices of all days up to it. -#}
{% macro goods_as_of_days(items) -%}
    select
        days.sku,
        days.decided_on,
        max_by(products.list_price, products.version_number) as list_price,
        max_by(products.unit_cost, products.version_number) as unit_cost,
        max_by(products.category_1, products.version_number) as category_1,
        min_by(products.list_price, products.version_number) as first_price,
        {{ pct(
            'sum(products.list_price * (least(products.valid_to, days.decided_on) - products.valid_from + 1))',
            'sum(least(products.valid_to, days.decided_on) - products.valid_from + 1) filter (where products.list_price is not null)'
        ) }} as usual_price
    from (select distinct sku, decided_on from {{ items }}) as days
    inner join {{ ref('dim_product') }} as products
        on products.sku = days.sku and (products.valid_from <= days.decided_on or products.version_number = 1)
    group by days.sku, days.decided_on
{%- endmacro %}

{#- The visit up to a cart's last action: since when, and how many pages were looked at and searches made. -#}
{% macro clicks_before_actions(carts) -%}
    with anchors as (

        select distinct visitor_id, session_id, last_action_at from {{ carts }}

    )

    select
        anchors.visitor_id,
        anchors.session_id,
        anchors.last_action_at,
        min(clicks.occurred_at) as visit_started_at,
        count(*) filter (where clicks.event_type = 'product_view')::integer as view_count,
        count(*) filter (where clicks.event_type = 'search')::integer as search_count
    from anchors
    inner join {{ ref('fct_events') }} as clicks
        on clicks.visitor_id = anchors.visitor_id
        and coalesce(clicks.session_id, '') = anchors.session_id
        and clicks.occurred_at <= anchors.last_action_at
        -- Where no visit has an id, the clicks of the last two hours are taken for one.
        and (anchors.session_id != '' or clicks.occurred_at > anchors.last_action_at - interval 2 hour)
    where {{ is_touched_decision('clicks.occurred_on', cart_recovery('nights') | int + 2) }}
    group by anchors.visitor_id, anchors.session_id, anchors.last_action_at
{%- endmacro %}
