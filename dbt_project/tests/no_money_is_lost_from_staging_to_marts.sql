-- What was charged for goods, in every currency: lines of known orders in staging, the orders' facts, and, less what
-- was taken off, the marts; to the cent. Rows of one currency that differ are shown.
with staged as (

    select
        orders.currency,
        sum(round(lines.units_ordered * lines.unit_price, 2)) as gross_amount,
        sum(lines.discount_amount) as line_discount_amount
    from {{ ref('stg_order_lines') }} as lines
    inner join {{ ref('stg_orders') }} as orders on orders.order_id = lines.order_id
    group by orders.currency

),

facts as (

    select
        currency,
        sum(gross_amount) as gross_amount,
        sum(line_discount_amount) as line_discount_amount,
        sum(net_revenue_amount) as net_revenue_amount
    from {{ ref('fct_orders') }}
    where line_count > 0
    group by currency

),

marts as (

    select currency, sum(net_revenue_amount) as net_revenue_amount
    from {{ ref('mart_sales_daily') }}
    group by currency

),

refunded as (

    select orders.currency, sum(returns.refund_amount) as refund_amount
    from {{ ref('stg_returns') }} as returns
    inner join {{ ref('fct_order_lines') }} as lines on lines.order_line_id = returns.order_line_id
    inner join {{ ref('fct_orders') }} as orders on orders.order_id = lines.order_id
    where returns.status != 'rejected'
    group by orders.currency

)

select
    coalesce(staged.currency, facts.currency, marts.currency) as currency,
    staged.gross_amount as staged_gross_amount,
    facts.gross_amount,
    facts.net_revenue_amount,
    marts.net_revenue_amount as mart_net_revenue_amount,
    refunded.refund_amount as staged_refund_amount,
    currencies.refund_amount
from staged
full outer join facts on facts.currency = staged.currency
full outer join marts on marts.currency = facts.currency
left join refunded on refunded.currency = marts.currency
left join {{ ref('mart_currencies') }} as currencies on currencies.currency = marts.currency
where staged.gross_amount is distinct from facts.gross_amount
    or staged.line_discount_amount is distinct from facts.line_discount_amount
    or facts.net_revenue_amount is distinct from marts.net_revenue_amount
    or currencies.net_revenue_amount is distinct from marts.net_revenue_amount
    or currencies.refund_amount is distinct from coalesce(refunded.refund_amount, 0)
