select
    currency,
    count(*)::integer as line_count,
    sum(net_revenue_amount)::decimal(18, 2) as net_revenue_amount,
    sum(store_net_revenue_amount)::decimal(18, 2) as store_net_revenue_amount,
    count(*) filter (where exchange_rate is null)::integer as unconverted_line_count,
    coalesce(sum(net_revenue_amount) filter (where exchange_rate is null), 0)::decimal(18, 2) as unconverted_amount,
    min(ordered_on) filter (where exchange_rate is null) as first_unconverted_on,
    max(ordered_on) filter (where exchange_rate is null) as last_unconverted_on
from {{ ref('fct_order_lines') }}
where not is_orphan
group by currency
