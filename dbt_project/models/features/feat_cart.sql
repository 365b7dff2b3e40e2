{{ config(materialized='incremental', pre_hook="{{ delete_touched_decisions('decided_on') }}") }}
-- Read where a build goes by changes alone, which dbt cannot see:
-- depends_on: {{ ref('stg_orders') }}
-- Not at the same time, since both take much memory:
-- depends_on: {{ ref('feat_order_line') }}
{%- set nights = var('cart_recovery')['nights'] %}
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

),

-- Of the cart what had happened by then; at night also nothing that was delivered later.
seen as (

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

),

states as (

    select
        {{ decision() }},
        any_value(started_at) as started_at,
        any_value(decision_at) as decision_at,
        max(occurred_at) as last_action_at,
        max(occurred_on) as last_action_on,
        max_by(coalesce(session_id, ''), event_number) as session_id,
        min_by(device, event_number) filter (where event_type = 'add_to_cart') as device,
        min_by(traffic_source, event_number) filter (where event_type = 'add_to_cart') as traffic_source,
        min_by(customer_id is not null, event_number) filter (where event_type = 'add_to_cart') as is_logged_in,
        max_by(customer_id, event_number) filter (where customer_id is not null) as customer_id,
        count(*) filter (where event_type = 'checkout_start') > 0 as has_checkout,
        count(*) filter (where event_type = 'remove_from_cart')::integer as removed_count
    from seen
    group by {{ decision() }}
    having count(*) filter (where event_type = 'purchase') = 0 and count(*) filter (where event_type = 'add_to_cart') > 0

),

items as (

    select
        {{ decision() }},
        sku,
        min(event_number) filter (where event_type = 'add_to_cart') as first_event,
        min_by(unit_price, event_number) filter (where event_type = 'add_to_cart') as unit_price,
        greatest(
            sum(units) filter (where event_type = 'add_to_cart')
            - coalesce(sum(units) filter (where event_type = 'remove_from_cart'), 0), 0
        )::decimal(18, 3) as units
    from seen
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

),

contents as (

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

),

left_behind as (

    select
        states.*,
        contents.* exclude ({{ decision() }}),
        case
            when states.customer_id is not null then states.customer_id
            when links.linked_at < states.decision_at and (links.parted_at is null or links.parted_at > states.decision_at)
                then links.customer_id
        end as owner_id,
        coalesce(left_out.bot_from_at < states.decision_at, false) as is_bot
    from states
    inner join contents using ({{ decision() }})
    left join {{ ref('int_visitor_customers') }} as links on links.visitor_id = states.visitor_id
    left join {{ ref('int_left_out_visitors') }} as left_out on left_out.visitor_id = states.visitor_id
    where contents.cart_units > 0
        and (left_out.internal_from_at is null or left_out.internal_from_at >= states.decision_at)
        and (states.moment != 'night' or (
            states.last_action_at + interval 30 minute <= states.decision_at
            and {{ days_between('states.last_action_on', 'states.decided_on') }} < {{ nights }}
        ))

),

paths as (

    {{ clicks_before_actions('left_behind') }}

),

orders as (

    select
        customer_id,
        ordered_at,
        ordered_on,
        row_number() over (partition by customer_id order by ordered_at, order_id)::integer as order_number
    from {{ ref('stg_orders') }}
    where customer_id in (select owner_id from left_behind)

)

select
    md5(concat_ws('|', carts.visitor_id, carts.started_at::varchar)) as cart_key,
    carts.visitor_id,
    carts.owner_id as customer_id,
    carts.moment,
    (case when carts.moment = 'night' then {{ days_between('carts.last_action_on', 'carts.decided_on') }} end) as nights_count,
    carts.decision_at,
    carts.decided_on,
    carts.started_at,
    carts.last_action_at,
    carts.is_bot,
    carts.device,
    carts.traffic_source,
    carts.category_1,
    carts.lead_sku,
    carts.sku_count,
    carts.cart_units,
    carts.cart_amount,
    carts.store_margin_amount,
    ({{ cart_recovery('free_shipping_amount') }} - carts.cart_amount)::decimal(18, 2) as store_to_free_shipping_amount,
    carts.lead_unit_price,
    carts.lead_price_to_usual_pct,
    carts.lead_price_to_first_pct,
    carts.lead_discount_pct,
    carts.lead_units_on_hand::decimal(18, 3) as lead_units_on_hand,
    carts.most_units_on_hand::decimal(18, 3) as most_units_on_hand,
    carts.in_stock_pct,
    carts.has_checkout,
    carts.removed_count,
    carts.is_logged_in,
    carts.owner_id is not null as is_known,
    case when carts.owner_id is not null then coalesce(orders.order_number, 0) end as earlier_order_count,
    {{ days_between('orders.ordered_on', 'carts.decided_on') }} as order_recency_days,
    (carts.cart_number - 1)::integer as past_cart_count,
    {{ hour_of('paths.visit_started_at') }} as visit_hour,
    {{ iso_weekday('carts.decided_on') }} as iso_weekday,
    paths.view_count,
    paths.search_count,
    {{ seconds_between('paths.visit_started_at', 'carts.last_action_at') }}::integer as visit_seconds,
    ({{ seconds_between('carts.last_action_at', 'carts.decision_at') }} / 3600)::double as idle_hours
from left_behind as carts
left join paths
    on paths.visitor_id = carts.visitor_id
    and paths.session_id = carts.session_id
    and paths.last_action_at = carts.last_action_at
{{ join_the_last_before() }} orders on orders.customer_id = carts.owner_id and orders.ordered_at < carts.decision_at
