with lines as (

    select
        *,
        date_trunc('month', ordered_on)::date as month_starts_on,
        date_trunc('month', min(ordered_on) over (partition by customer_id))::date as cohort_starts_on
    from {{ ref('int_line_returns') }}
    where customer_id is not null and units > 0

),

sizes as (

    select cohort_starts_on, count(distinct customer_id) as customer_count
    from lines
    group by cohort_starts_on

)

select
    lines.cohort_starts_on,
    {{ months_between('lines.cohort_starts_on', 'lines.month_starts_on') }} as months_since_first,
    lines.month_starts_on,
    max(sizes.customer_count)::integer as customer_count,
    count(distinct lines.customer_id)::integer as active_customer_count,
    {{ pct('count(distinct lines.customer_id)', 'max(sizes.customer_count)') }} as active_pct,
    count(distinct lines.order_id)::integer as order_count,
    sum(lines.units)::decimal(18, 3) as units,
    sum(lines.units_returned)::decimal(18, 3) as units_returned,
    {{ return_pct('lines') }} as return_pct,
    coalesce(sum(lines.store_net_revenue_amount), 0)::decimal(18, 2) as store_net_revenue_amount,
    (lines.month_starts_on + interval 1 month)::date <= {{ add_days(as_of(), 1) }} as is_month_over
from lines
inner join sizes on sizes.cohort_starts_on = lines.cohort_starts_on
group by lines.cohort_starts_on, lines.month_starts_on
