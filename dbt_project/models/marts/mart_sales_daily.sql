select
    lines.ordered_on as sold_on,
    coalesce(products.category_1, '(none)') as category_1,
    coalesce(lines.channel, '(none)') as channel,
    count(distinct lines.order_id) filter (where lines.units > 0)::integer as order_count,
    sum(lines.units)::decimal(18, 3) as units,
    sum(lines.units_cancelled)::decimal(18, 3) as units_cancelled,
    coalesce(
        sum(lines.net_revenue_amount) filter (where lines.currency = '{{ var("currency") }}'), 0
    )::decimal(18, 2) as net_revenue_amount
from {{ ref('fct_order_lines') }} as lines
left join {{ ref('dim_product') }} as products on products.product_key = lines.product_key
where not lines.is_orphan
group by lines.ordered_on, coalesce(products.category_1, '(none)'), coalesce(lines.channel, '(none)')
