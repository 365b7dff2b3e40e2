{{ config(materialized='incremental', pre_hook="{{ delete_touched('sold_on', 'sales_dates') }}") }}
select
    lines.ordered_on as sold_on,
    coalesce(products.category_1, '(none)') as category_1,
    coalesce(lines.channel, '(none)') as channel,
    lines.currency,
    count(distinct lines.order_id) filter (where lines.units > 0)::integer as order_count,
    sum(lines.units)::decimal(18, 3) as units,
    sum(lines.units_cancelled)::decimal(18, 3) as units_cancelled,
    sum(lines.net_revenue_amount)::decimal(18, 2) as net_revenue_amount,
    sum(lines.store_net_revenue_amount)::decimal(18, 2) as store_net_revenue_amount,
    {{ costed_revenue('lines') }} as costed_revenue_amount,
    {{ margin('lines') }} as margin_amount,
    count(*) filter (where lines.exchange_rate is null)::integer as unconverted_line_count
from {{ ref('fct_order_lines') }} as lines
left join {{ ref('dim_product') }} as products on products.product_key = lines.product_key
where not lines.is_orphan and {{ is_touched('lines.ordered_on', 'sales_dates') }}
group by
    lines.ordered_on,
    coalesce(products.category_1, '(none)'),
    coalesce(lines.channel, '(none)'),
    lines.currency
