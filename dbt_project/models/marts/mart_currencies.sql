with refunds as (

    select
        currency,
        sum(refund_amount) as refund_amount,
        sum(refund_amount) filter (where store_refund_amount is null) as unconverted_refund_amount
    from {{ ref('fct_returns') }}
    where is_matched and not is_rejected
    group by currency

),

lines as (

    select
        currency,
        count(*) as line_count,
        sum(net_revenue_amount) as net_revenue_amount,
        sum(store_net_revenue_amount) as store_net_revenue_amount,
        count(*) filter (where exchange_rate is null) as unconverted_line_count,
        sum(net_revenue_amount) filter (where exchange_rate is null) as unconverted_amount,
        min(ordered_on) filter (where exchange_rate is null) as first_unconverted_on,
        max(ordered_on) filter (where exchange_rate is null) as last_unconverted_on
    from {{ ref('fct_order_lines') }}
    where not is_orphan
    group by currency

)

select
    lines.currency,
    lines.line_count::integer as line_count,
    lines.net_revenue_amount::decimal(18, 2) as net_revenue_amount,
    lines.store_net_revenue_amount::decimal(18, 2) as store_net_revenue_amount,
    coalesce(refunds.refund_amount, 0)::decimal(18, 2) as refund_amount,
    lines.unconverted_line_count::integer as unconverted_line_count,
    coalesce(lines.unconverted_amount, 0)::decimal(18, 2) as unconverted_amount,
    coalesce(refunds.unconverted_refund_amount, 0)::decimal(18, 2) as unconverted_refund_amount,
    lines.first_unconverted_on,
    lines.last_unconverted_on
from lines
left join refunds on refunds.currency = lines.currency
