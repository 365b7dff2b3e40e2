{{ config(materialized='incremental', pre_hook="{{ delete_touched_decisions('decided_on') }}") }}
-- Read where a build goes by changes alone, which dbt cannot see:
-- depends_on: {{ ref('stg_orders') }}
-- Not at the same time, since both take much memory:
-- depends_on: {{ ref('feat_order_line') }}
{%- set nights = var('cart_recovery')['nights'] %}
with seen as (

    {{ clicks_known_at_decisions() }}

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

contents as (

    {{ cart_contents('seen') }}

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
