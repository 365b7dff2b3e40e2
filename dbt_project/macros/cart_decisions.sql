{#- The clicks of a cart that were known at each decision about it: right after its first addition, after its first half hour
    without an action, and at the end of each business day. At night also nothing that was delivered later. -#}
{% macro clicks_known_at_decisions() -%}
    {%- set nights = var('cart_recovery')['nights'] -%}
    with carts as (

        select
            visitor_id,
            cart_number,
            min(occurred_at) filter (where event_type = 'add_to_cart') as started_at,
            min(occurred_on) filter (where event_type = 'add_to_cart') as started_on,
            min(event_number) filter (where event_type = 'add_to_cart') as first_event,
            max(occurred_on) as last_on
        from {{ ref('int_cart_events') }}
        group by visitor_id, cart_number
        having count(*) filter (where event_type = 'add_to_cart') > 0
            and {{ is_touched_decision('max(occurred_on)', nights) }}

    ),

    clicks as (

        select
            events.*,
            carts.started_at,
            carts.first_event,
            lead(events.occurred_at) over (
                partition by events.visitor_id, events.cart_number order by events.event_number
            ) as next_at
        from {{ ref('int_cart_events') }} as events
        inner join carts on carts.visitor_id = events.visitor_id and carts.cart_number = events.cart_number

    ),

    decisions as (

        select
            visitor_id, cart_number, started_at, 'added' as moment, occurred_at as decision_at, occurred_on as decided_on,
            event_number as last_event
        from clicks
        where event_number = first_event
        union all
        select
            visitor_id, cart_number, started_at, 'idle', occurred_at + interval 30 minute,
            {{ business_day_of('occurred_at + interval 30 minute') }}, event_number
        from clicks
        where event_number >= first_event and (next_at is null or next_at > occurred_at + interval 30 minute)
        qualify row_number() over (partition by visitor_id, cart_number order by event_number) = 1
        union all
        select cart_days.visitor_id, cart_days.cart_number, cart_days.started_at, 'night', days.ends_at, days.calendar_on, null
        from (
            select
                visitor_id, cart_number, started_at,
                unnest(generate_series(started_on, least(last_on + {{ nights - 1 }}, {{ as_of() }}), interval 1 day))::date as night_on
            from carts
        ) as cart_days
        inner join {{ ref('dim_date') }} as days on days.calendar_on = cart_days.night_on

    ),

    asked as (

        select * from decisions
        where decision_at <= {{ business_day_starts_at(add_days(as_of(), 1)) }} and {{ is_touched_decision('decided_on') }}

    )

    select
        asked.moment,
        asked.decided_on,
        asked.decision_at,
        clicks.*
    from asked
    inner join clicks on clicks.visitor_id = asked.visitor_id and clicks.cart_number = asked.cart_number
    where case
        when asked.last_event is not null then clicks.event_number <= asked.last_event
        else clicks.occurred_at < asked.decision_at and clicks.known_on <= asked.decided_on
    end
{%- endmacro %}

{#- What carts hold at each decision and what it is worth, with what the catalog and the shelf said of it then. -#}
{% macro cart_contents(clicks) -%}
    with items as (

        select
            {{ decision() }},
            sku,
            min(event_number) filter (where event_type = 'add_to_cart') as first_event,
            min_by(unit_price, event_number) filter (where event_type = 'add_to_cart') as unit_price,
            greatest(
                sum(units) filter (where event_type = 'add_to_cart')
                - coalesce(sum(units) filter (where event_type = 'remove_from_cart'), 0), 0
            )::decimal(18, 3) as units
        from {{ clicks }}
        where event_type in ('add_to_cart', 'remove_from_cart') and sku is not null
        group by {{ decision() }}, sku
        having count(*) filter (where event_type = 'add_to_cart') > 0

    ),

    goods as (

        {{ goods_as_of_days('items') }}

    ),

    stock as (

        select sku, stock_on, sum(units_on_hand) as units_on_hand
        from {{ ref('fct_inventory_daily') }}
        where {{ is_touched_decision('stock_on', 1) }}
        group by sku, stock_on

    )

    select
        items.visitor_id, items.cart_number, items.moment, items.decided_on,
        count(*) filter (where items.units > 0)::integer as sku_count,
        sum(items.units)::decimal(18, 3) as cart_units,
        sum(round(items.units * items.unit_price, 2))::decimal(18, 2) as cart_amount,
        sum(round(items.units * coalesce(
            items.unit_price - goods.unit_cost, items.unit_price * {{ cart_recovery('usual_margin_pct') }}
        ), 2))::decimal(18, 2) as store_margin_amount,
        {{ of_the_first('items.sku', 'items.first_event', 'items.units > 0') }} as lead_sku,
        {{ of_the_first('goods.category_1', 'items.first_event', 'items.units > 0') }} as category_1,
        {{ of_the_first('items.unit_price', 'items.first_event', 'items.units > 0') }} as lead_unit_price,
        {{ of_the_first(pct('items.unit_price', 'goods.usual_price'), 'items.first_event', 'items.units > 0') }}
            as lead_price_to_usual_pct,
        {{ of_the_first(pct('items.unit_price', 'goods.first_price'), 'items.first_event', 'items.units > 0') }}
            as lead_price_to_first_pct,
        {{ of_the_first(
            pct('goods.list_price - items.unit_price', 'goods.list_price'), 'items.first_event', 'items.units > 0'
        ) }} as lead_discount_pct,
        {{ of_the_first('stock.units_on_hand', 'items.first_event', 'items.units > 0') }} as lead_units_on_hand,
        max(stock.units_on_hand) as most_units_on_hand,
        {{ pct(
            'count(*) filter (where items.units > 0 and stock.units_on_hand > 0)',
            'count(stock.units_on_hand) filter (where items.units > 0)'
        ) }} as in_stock_pct
    from items
    left join goods on goods.sku = items.sku and goods.decided_on = items.decided_on
    left join stock
        on stock.sku = items.sku
        -- During the day the shelf is as last night's count had it.
        and stock.stock_on = case when items.moment = 'night' then items.decided_on else {{ add_days('items.decided_on', -1) }} end
    group by items.visitor_id, items.cart_number, items.moment, items.decided_on
{%- endmacro %}
