with lines as (

    select
        predictions.*,
        lines.order_id,
        lines.sku,
        lines.decision_at as ordered_at,
        lines.units,
        lines.style_size_count,
        coalesce(lines.category, '') as category,
        shipments.order_id is not null as has_left,
        -- Without a cost the price that was paid stands in; without an exchange rate the price as it is.
        coalesce(prices.unit_cost, prices.unit_price * coalesce(prices.exchange_rate, 1)) as unit_value
    from {{ source('predictions', 'returns') }} as predictions
    inner join {{ ref('feat_order_line') }} as lines on lines.order_line_id = predictions.order_line_id
    inner join {{ ref('fct_order_lines') }} as prices on prices.order_line_id = predictions.order_line_id
    left join {{ ref('feat_order_shipment') }} as shipments on shipments.order_id = lines.order_id

),

categories as (

    select distinct category from lines

),

costs as (

    {{ return_costs_of('categories') }}

),

priced as (

    select
        lines.*,
        (
            lines.return_probability
            * ({{ return_cost('costs', 'lines.units * lines.returned_part', 'lines.unit_value') }})
        )::decimal(18, 4) as expected_return_cost
    from lines
    inner join costs on costs.category = lines.category

),

banded as (

    select priced.*, bands.risk_band
    from priced
    inner join {{ ref('return_bands') }} as bands on bands.least_cost <= priced.expected_return_cost
    qualify row_number() over (partition by priced.order_line_id order by bands.least_cost desc) = 1

),

decided as (

    select banded.*, actions.recommended_action, actions.action_rule
    from banded
    inner join {{ ref('return_actions') }} as actions
        on banded.return_probability >= actions.least_probability
        and banded.expected_return_cost >= actions.least_cost
        and not (actions.is_before_shipping and banded.has_left)
        and not (actions.needs_several_sizes and banded.style_size_count < 2)
    qualify row_number() over (partition by banded.order_line_id order by actions.rule_number) = 1

)

select
    {{ as_of() }} as as_of,
    order_line_id,
    order_id,
    customer_id::varchar as customer_id,
    sku,
    ordered_at,
    round(return_probability, 6)::double as return_probability,
    risk_band,
    expected_return_cost,
    '{{ var("currency") }}' as currency,
    recommended_action,
    action_rule,
    reason_1::varchar as reason_1,
    reason_2::varchar as reason_2,
    reason_3::varchar as reason_3,
    method,
    model_version,
    run_id
from decided
