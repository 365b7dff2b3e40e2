-- What analysts open first: sales, visits, returns, customers.
create table marts.mart_sales_daily as
select
    lines.ordered_on as sold_on,
    coalesce(products.category_1, '(none)') as category_1,
    coalesce(lines.channel, '(none)') as channel,
    lines.currency,
    (count(distinct lines.order_id) filter (where lines.units > 0))::integer as order_count,
    sum(lines.units)::decimal(18, 3) as units,
    sum(lines.units_cancelled)::decimal(18, 3) as units_cancelled,
    sum(lines.net_revenue_amount)::decimal(18, 2) as net_revenue_amount,
    sum(lines.store_net_revenue_amount)::decimal(18, 2) as store_net_revenue_amount,
    coalesce(
        sum(lines.store_net_revenue_amount) filter (where lines.margin_amount is not null), 0
    )::decimal(18, 2) as costed_revenue_amount,
    sum(lines.margin_amount)::decimal(18, 2) as margin_amount,
    (count(*) filter (where lines.exchange_rate is null))::integer as unconverted_line_count
from marts.fct_order_lines as lines
left join marts.dim_product as products on products.product_key = lines.product_key
where not lines.is_orphan
group by all;

create table marts.mart_funnel_daily as
select
    session_on,
    coalesce(device, '(none)') as device,
    coalesce(traffic_source, '(none)') as traffic_source,
    (count(*) filter (where not is_bot))::integer as session_count,
    (count(distinct visitor_id) filter (where not is_bot))::integer as visitor_count,
    (count(*) filter (where not is_bot and product_view_count > 0))::integer as viewing_session_count,
    (count(*) filter (where not is_bot and has_cart))::integer as cart_session_count,
    (count(*) filter (where not is_bot and has_checkout))::integer as checkout_session_count,
    (count(*) filter (where not is_bot and has_purchase))::integer as purchase_session_count,
    pct(count(*) filter (where not is_bot and has_purchase), count(*) filter (where not is_bot)) as conversion_pct,
    coalesce(sum(event_count) filter (where not is_bot), 0)::integer as event_count,
    (count(*) filter (where is_bot))::integer as bot_session_count,
    coalesce(sum(event_count) filter (where is_bot), 0)::integer as bot_event_count
from marts.fct_sessions
group by all;

create table marts.mart_returns_sku as
with lines as (
    select
        sku,
        sum(units) as units,
        sum(units_returned) as units_returned,
        sum(units) filter (where is_mature) as mature_units,
        pct(sum(units_returned_in_window) filter (where is_mature), sum(units) filter (where is_mature)) as return_pct,
        sum(store_net_revenue_amount) as store_net_revenue_amount,
        sum(store_refund_amount) as store_refund_amount,
        sum(margin_lost_amount) as margin_lost_amount
    from line_returns
    group by sku
),

reasons as (
    select sku, coalesce(reason, '(none)') as reason
    from marts.fct_returns
    where is_matched and not is_rejected
    group by sku, coalesce(reason, '(none)')
    qualify row_number() over (partition by sku order by sum(units_returned) desc, coalesce(reason, '(none)')) = 1
)

select
    lines.sku,
    products.title,
    coalesce(products.category_1, '(none)') as category_1,
    products.brand,
    lines.units::decimal(18, 3) as units,
    lines.units_returned::decimal(18, 3) as units_returned,
    coalesce(lines.mature_units, 0)::decimal(18, 3) as mature_units,
    lines.return_pct,
    reasons.reason as main_reason,
    coalesce(lines.store_net_revenue_amount, 0)::decimal(18, 2) as store_net_revenue_amount,
    lines.store_refund_amount::decimal(18, 2) as store_refund_amount,
    lines.margin_lost_amount::decimal(18, 2) as margin_lost_amount
from lines
left join products on products.sku = lines.sku
left join reasons on reasons.sku = lines.sku;

create table marts.mart_returns_monthly as
with firsts as (
    select customer_id, min(ordered_on) as first_ordered_on
    from line_returns
    where units > 0 and customer_id is not null
    group by customer_id
)

select
    date_trunc('month', lines.ordered_on)::date as month_starts_on,
    coalesce(products.category_1, '(none)') as category_1,
    case
        when lines.customer_id is null then 'guest'
        when lines.ordered_on = firsts.first_ordered_on then 'new'
        else 'returning'
    end as buyer,
    sum(units)::decimal(18, 3) as units,
    sum(units_returned)::decimal(18, 3) as units_returned,
    coalesce(sum(units) filter (where is_mature), 0)::decimal(18, 3) as mature_units,
    pct(sum(units_returned_in_window) filter (where is_mature), sum(units) filter (where is_mature)) as return_pct,
    coalesce(sum(store_net_revenue_amount), 0)::decimal(18, 2) as store_net_revenue_amount,
    sum(store_refund_amount)::decimal(18, 2) as store_refund_amount,
    sum(margin_lost_amount)::decimal(18, 2) as margin_lost_amount
from line_returns as lines
left join marts.dim_product as products on products.product_key = lines.product_key
left join firsts on firsts.customer_id = lines.customer_id
group by all;

create table marts.mart_returns_reasons as
select
    date_trunc('month', returns.requested_on)::date as month_starts_on,
    coalesce(products.category_1, '(none)') as category_1,
    coalesce(returns.reason, '(none)') as reason,
    (count(*) filter (where not is_rejected))::integer as return_count,
    coalesce(sum(units_returned) filter (where not is_rejected), 0)::decimal(18, 3) as units_returned,
    coalesce(sum(store_refund_amount) filter (where not is_rejected), 0)::decimal(18, 2) as store_refund_amount,
    pct(
        sum(days_since_order) filter (where not is_rejected), count(*) filter (where not is_rejected)
    ) as mean_request_days,
    (count(*) filter (where is_rejected))::integer as rejected_count
from marts.fct_returns as returns
left join marts.fct_order_lines as lines on lines.order_line_id = returns.order_line_id
left join marts.dim_product as products on products.product_key = lines.product_key
where returns.is_matched
group by all;

create table marts.mart_returns_bracketing as
select
    order_id,
    products.style_id,
    min(coalesce(category_1, '(none)')) as category_1,
    min(customer_id) as customer_id,
    min(ordered_on) as ordered_on,
    count(distinct size)::integer as size_count,
    (count(distinct size) filter (where units_returned >= units))::integer as returned_size_count,
    sum(units)::decimal(18, 3) as units,
    sum(units_returned)::decimal(18, 3) as units_returned,
    sum(store_refund_amount)::decimal(18, 2) as store_refund_amount,
    bool_and(is_mature) as is_mature,
    sum(units_returned) > 0 and sum(units_returned) < sum(units) as is_bracketed
from line_returns as lines
inner join marts.dim_product as products on products.product_key = lines.product_key
where lines.units > 0 and products.style_id is not null and products.size is not null
group by order_id, products.style_id
having min(size) <> max(size);

create table marts.mart_returns_customers as
with customers as (
    select
        customer_id,
        count(distinct order_id) filter (where units > 0) as order_count,
        count(*) filter (where units > 0) as line_count,
        count(*) filter (where return_count > 0) as returned_line_count,
        count(distinct order_id) filter (where return_count > 0) as returned_order_count,
        sum(units) as units,
        sum(units_returned) as units_returned,
        sum(units) filter (where is_mature) as mature_units,
        pct(sum(units_returned_in_window) filter (where is_mature), sum(units) filter (where is_mature)) as return_pct,
        sum(store_net_revenue_amount) as store_net_revenue_amount,
        sum(store_refund_amount) as store_refund_amount,
        max(last_requested_on) as last_requested_on
    from line_returns
    where customer_id in (select customer_id from line_returns where return_count > 0)
    group by customer_id
)

select
    customer_id,
    order_count::integer as order_count,
    line_count::integer as line_count,
    returned_line_count::integer as returned_line_count,
    returned_order_count::integer as returned_order_count,
    units::decimal(18, 3) as units,
    units_returned::decimal(18, 3) as units_returned,
    coalesce(mature_units, 0)::decimal(18, 3) as mature_units,
    return_pct,
    coalesce(store_net_revenue_amount, 0)::decimal(18, 2) as store_net_revenue_amount,
    store_refund_amount::decimal(18, 2) as store_refund_amount,
    last_requested_on,
    coalesce(returned_line_count >= 3 and returned_order_count >= 2 and return_pct >= 0.5, false) as is_repeat_returner
from customers;

create table marts.mart_customer_cohorts as
with lines as (
    select
        *,
        date_trunc('month', ordered_on)::date as month_starts_on,
        date_trunc('month', firsts.first_ordered_on)::date as cohort_starts_on
    from line_returns
    inner join (
        select customer_id, min(ordered_on) as first_ordered_on from line_returns where units > 0 group by customer_id
    ) as firsts using (customer_id)
    where units > 0
),

sizes as (
    select cohort_starts_on, count(distinct customer_id) as customer_count from lines group by cohort_starts_on
)

select
    lines.cohort_starts_on,
    date_diff('month', lines.cohort_starts_on, lines.month_starts_on)::integer as months_since_first,
    lines.month_starts_on,
    max(sizes.customer_count)::integer as customer_count,
    count(distinct lines.customer_id)::integer as active_customer_count,
    pct(count(distinct lines.customer_id), max(sizes.customer_count)) as active_pct,
    count(distinct lines.order_id)::integer as order_count,
    sum(lines.units)::decimal(18, 3) as units,
    sum(lines.units_returned)::decimal(18, 3) as units_returned,
    pct(sum(units_returned_in_window) filter (where is_mature), sum(units) filter (where is_mature)) as return_pct,
    coalesce(sum(lines.store_net_revenue_amount), 0)::decimal(18, 2) as store_net_revenue_amount,
    (lines.month_starts_on + interval 1 month)::date <= as_of() + 1 as is_month_over
from lines
inner join sizes on sizes.cohort_starts_on = lines.cohort_starts_on
group by lines.cohort_starts_on, lines.month_starts_on;

create table marts.mart_customer_rfm as
with customers as (
    select
        customer_id,
        max(ordered_on) as last_ordered_on,
        count(distinct order_id) as order_count,
        coalesce(sum(store_net_revenue_amount), 0) as store_net_revenue_amount
    from line_returns
    where customer_id is not null and units > 0
    group by customer_id
),

scored as (
    select
        *,
        (1 + least(floor(5 * percent_rank() over (order by last_ordered_on)), 4))::integer as recency_score,
        (1 + least(floor(5 * percent_rank() over (order by order_count)), 4))::integer as frequency_score,
        (1 + least(floor(5 * percent_rank() over (order by store_net_revenue_amount)), 4))::integer as monetary_score
    from customers
)

select
    customer_id,
    last_ordered_on,
    (as_of() - last_ordered_on)::integer as recency_days,
    order_count::integer as order_count,
    store_net_revenue_amount::decimal(18, 2) as store_net_revenue_amount,
    recency_score,
    frequency_score,
    monetary_score,
    case
        when recency_score >= 4 and frequency_score >= 4 and monetary_score >= 4 then 'champion'
        when order_count = 1 and recency_score >= 4 then 'new'
        when recency_score >= 3 and frequency_score >= 3 then 'loyal'
        when recency_score <= 2 and frequency_score >= 3 then 'at_risk'
        when recency_score <= 2 then 'lapsed'
        else 'occasional'
    end as segment
from scored;
