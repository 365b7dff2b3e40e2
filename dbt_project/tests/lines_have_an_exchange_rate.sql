-- Money in a currency without a rate stands in its own currency alone: say so, by name, rather than lose it in silence.
{{ config(severity='warn') }}
select currency, count(*) as line_count, sum(net_revenue_amount) as net_revenue_amount, min(ordered_on) as first_on
from {{ ref('fct_order_lines') }}
where not is_orphan and exchange_rate is null
group by currency
