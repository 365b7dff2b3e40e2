{%- set patterns = {
    'sku': 'sku',
    'supplier': 'supplier',
    'size': 'size',
    'carrier': 'carrier',
    'supplier and category': "supplier || ', ' || category_1",
    'size and category': "size || ', ' || category_1",
    'carrier and category': "carrier || ', ' || category_1"
} -%}
with carriers as (

    select order_id, min_by(carrier, shipment_id) as carrier
    from {{ ref('fct_shipments') }}
    group by order_id

),

lines as (

    select
        lines.sku,
        products.supplier,
        products.size,
        products.category_1,
        carriers.carrier,
        coalesce(products.category, '') as category,
        brackets.order_id is not null as has_several_sizes,
        least(lines.units_returned_in_window / lines.units, 1)::decimal(9, 4) as returned
    from {{ ref('int_line_returns') }} as lines
    left join {{ ref('dim_product') }} as products on products.product_key = lines.product_key
    left join {{ ref('mart_returns_bracketing') }} as brackets
        on brackets.order_id = lines.order_id and brackets.style_id = products.style_id
    left join carriers on carriers.order_id = lines.order_id
    where lines.is_mature and lines.units > 0

),

-- What the mix explains: the rate of lines of the same category, with several sizes in the order or not.
mixes as (

    select category, has_several_sizes, (sum(returned) / count(*))::decimal(18, 9) as expected
    from lines
    group by category, has_several_sizes

),

told as (

    select lines.*, mixes.expected
    from lines
    inner join mixes
        on mixes.category = lines.category and mixes.has_several_sizes = lines.has_several_sizes

),

counted as (
    {% for pattern, value in patterns.items() %}
    select
        '{{ pattern }}' as pattern,
        {{ value }} as pattern_value,
        count(*)::integer as line_count,
        sum(returned) as returned,
        sum(expected) as expected
    from told
    where {{ value }} is not null
    group by {{ value }}
    having count(*) >= 20
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

-- How far true ratios of a kind scatter around 1, by the scatter that chance leaves over.
spreads as (

    select
        pattern,
        least(greatest(
            sum((expected * expected)::decimal(38, 9))::double
            / nullif(greatest(sum(((returned - expected) * (returned - expected) - expected)::decimal(38, 9))::double, 0), 0),
            1
        ), 1000000) as shape
    from counted
    group by pattern

),

posteriors as (

    select
        counted.*,
        coalesce(spreads.shape, 1000000) + counted.returned::double as shape,
        coalesce(spreads.shape, 1000000) + counted.expected::double as weight
    from counted
    inner join spreads on spreads.pattern = counted.pattern

)

select
    pattern,
    pattern_value,
    line_count,
    returned::double as returned_lines,
    expected::double as expected_lines,
    shape / weight as mix_lift,
    {{ gamma_bound('shape', 'weight', -1.96) }} as mix_lift_low,
    {{ gamma_bound('shape', 'weight', 1.96) }} as mix_lift_high,
    {{ gamma_bound('shape', 'weight', -1.96) }} > 1 as is_beyond_mix
from posteriors
