-- Revenue of known customers is the same by customer and by cohort and month, to the cent, and so are customers.
with lines as (

    select
        coalesce(sum(store_net_revenue_amount), 0) as store_net_revenue_amount,
        count(distinct customer_id) as customer_count
    from {{ ref('fct_order_lines') }}
    where not is_orphan and units > 0 and customer_id is not null

),

by_customer as (

    select coalesce(sum(store_net_revenue_amount), 0) as store_net_revenue_amount, count(*) as customer_count
    from {{ ref('mart_customer_rfm') }}

),

by_cohort as (

    select
        coalesce(sum(store_net_revenue_amount), 0) as store_net_revenue_amount,
        coalesce(sum(customer_count) filter (where months_since_first = 0), 0) as customer_count
    from {{ ref('mart_customer_cohorts') }}

)

select lines.*, by_customer.*, by_cohort.*
from lines
cross join by_customer
cross join by_cohort
where lines.store_net_revenue_amount != by_customer.store_net_revenue_amount
    or lines.store_net_revenue_amount != by_cohort.store_net_revenue_amount
    or lines.customer_count != by_customer.customer_count
    or lines.customer_count != by_cohort.customer_count
