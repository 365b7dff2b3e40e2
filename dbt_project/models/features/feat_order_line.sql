{{ config(materialized='incremental', pre_hook="{{ delete_touched_line_features() }}") }}
-- Read where a build goes by changes alone, which dbt cannot see:
-- depends_on: {{ ref('stg_returns') }}
with known_lines as (

    select
        lines.order_line_id,
        lines.order_id,
        lines.ordered_on,
        lines.customer_id,
        lines.sku,
        lines.units_ordered,
        products.style_id,
        products.category,
        products.brand,
        'store' as store,
        round(lines.unit_price * lines.exchange_rate, 4)::decimal(18, 4) as store_unit_price
    from {{ ref('fct_order_lines') }} as lines
    left join {{ ref('dim_product') }} as products on products.product_key = lines.product_key
    where not lines.is_orphan

),

returns_of_lines as (

    select
        lines.*,
        {{ return_known_on('returns') }} as known_on,
        {{ return_cause('returns.reason') }} as cause,
        sum(returns.units) over so_far as units_so_far,
        returns.units
    from {{ ref('stg_returns') }} as returns
    inner join known_lines as lines on lines.order_line_id = returns.order_line_id
    window so_far as (
        partition by returns.order_line_id
        order by {{ return_known_on('returns') }}, returns.return_id
        rows unbounded preceding
    )

),

-- A part sent back counts as that part of a line, all parts together as no more than the line.
known_returns as (

    select
        *,
        (
            least(units_so_far / units_ordered, 1) - least((units_so_far - units) / units_ordered, 1)
        )::decimal(9, 4) as share
    from returns_of_lines

),

asked as (

    select
        lines.*,
        products.style_id,
        products.category,
        products.brand,
        'store' as store,
        products.size,
        products.category_1
    from {{ ref('fct_order_lines') }} as lines
    left join {{ ref('dim_product') }} as products on products.product_key = lines.product_key
    where not lines.is_orphan and {{ is_touched_line_feature('lines') }}

),

orders as (

    select
        order_id,
        count(*)::integer as order_line_count,
        sum(gross_amount)::decimal(18, 2) as order_gross_amount
    from asked
    group by order_id

),

styles as (

    select order_id, style_id, count(*)::integer as style_line_count, count(distinct size)::integer as style_size_count
    from asked
    where style_id is not null
    group by order_id, style_id

),

{%- for level, column in history_levels().items() %}

{{ level }}_history as (

    {{ history_of(level, column) }}

),
{%- endfor %}

devices as (

    select order_id, min_by(device, clicked_at) as device
    from {{ ref('int_order_devices') }}
    group by order_id

)

select
    asked.order_line_id,
    asked.order_id,
    asked.customer_id,
    asked.sku,
    asked.ordered_at as decision_at,
    asked.ordered_on,
    asked.units_ordered,
    asked.units,
    asked.currency,
    asked.unit_price,
    asked.style_id,
    asked.category,
    asked.category_1,
    asked.brand,
    asked.channel,
    placed.ship_country,
    devices.device,
    {{ iso_weekday('asked.ordered_on') }} as iso_weekday,
    {{ hour_of('asked.ordered_at') }} as order_hour,
    {{ pct('asked.discount_amount + asked.order_discount_amount', 'asked.gross_amount') }} as line_discount_pct,
    {{ pct(
        'asked.unit_price * asked.exchange_rate * sku_history.lines', 'sku_history.paid_price'
    ) }} as price_to_usual_pct,
    orders.order_line_count,
    orders.order_gross_amount,
    coalesce(styles.style_line_count, 1) as style_line_count,
    coalesce(styles.style_size_count, 1) as style_size_count,
    case when asked.customer_id is not null then coalesce(customer_history.orders, 0)::integer end as past_order_count
    {%- for level in history_levels() %}
    {%- for sum in history_sums('') %},
    coalesce({{ level }}_history.{{ sum }}, 0)::{{ 'double' if sum.startswith('returned') else 'integer' }} as {{ level }}_{{ sum }}
    {%- endfor %}
    {%- endfor %}
from asked
inner join orders on orders.order_id = asked.order_id
inner join {{ ref('fct_orders') }} as placed on placed.order_id = asked.order_id
left join styles on styles.order_id = asked.order_id and styles.style_id = asked.style_id
left join devices on devices.order_id = asked.order_id
{%- for level, column in history_levels().items() %}
left join {{ level }}_history
    on {{ level }}_history.key = {{ fast_hash(['asked.' ~ column]) }} and {{ level }}_history.known_from = asked.ordered_on
{%- endfor %}
