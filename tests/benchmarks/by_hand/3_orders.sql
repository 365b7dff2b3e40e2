-- Dimensions, and the facts of orders.
create table marts.dim_date as
select
    days.calendar_on,
    day_begins(days.calendar_on) as starts_at,
    day_begins(days.calendar_on + 1) as ends_at,
    isodow(days.calendar_on)::integer as iso_weekday,
    date_trunc('week', days.calendar_on)::date as week_starts_on,
    date_trunc('month', days.calendar_on)::date as month_starts_on,
    isodow(days.calendar_on) >= 6 as is_weekend,
    coalesce(calendar.is_open, true) as is_open,
    calendar.event,
    days.calendar_on > as_of() as is_future
from (
    select unnest(generate_series(
        least(
            (select min(ordered_on) from orders),
            (select min(session_on) from marts.fct_sessions),
            (select min(snapshot_on) from product_changes)
        ),
        as_of() + 28, interval 1 day
    ))::date as calendar_on
) as days
left join calendar on calendar.calendar_on = days.calendar_on and calendar.location_id is null;

create table marts.dim_product as
with versions as (
    select
        *,
        row_number() over by_sku as version_number,
        lead(snapshot_on) over by_sku as next_on,
        bounds.first_data_on,
        snapshot_on = bounds.first_snapshot_on and bounds.first_data_on < bounds.first_snapshot_on as is_backdated
    from product_changes
    cross join (
        select
            (select min(snapshot_on) from product_changes) as first_snapshot_on,
            (select min(calendar_on) from marts.dim_date) as first_data_on
    ) as bounds
    window by_sku as (partition by sku order by snapshot_on)
)

select
    md5(concat_ws('|', sku, snapshot_on::varchar)) as product_key,
    sku,
    style_id,
    title,
    size,
    color,
    category,
    nullif(trim(split_part(category, '>', 1)), '') as category_1,
    nullif(trim(split_part(category, '>', 2)), '') as category_2,
    nullif(trim(split_part(category, '>', 3)), '') as category_3,
    brand,
    supplier,
    unit_of_measure,
    list_price,
    unit_cost,
    lead_time_days,
    pack_size,
    min_order_quantity,
    attributes,
    image_url,
    launched_on,
    is_active,
    version_number::integer as version_number,
    snapshot_on as first_seen_on,
    case when is_backdated then first_data_on else snapshot_on end as valid_from,
    coalesce(next_on - 1, date '9999-12-31') as valid_to,
    next_on is null as is_current,
    is_backdated
from versions;

create temp table products as
select * from marts.dim_product where is_current;

create temp table product_days as
select sku, product_key, unnest(generate_series(
    case when version_number = 1 then (select min(calendar_on) from marts.dim_date) else valid_from end,
    least(valid_to, as_of()), interval 1 day
))::date as calendar_on
from marts.dim_product;

create table marts.fct_order_lines as
with lines as (
    select
        lines.* exclude (units_cancelled, known_on),
        orders.* exclude (order_id, discount_amount, shipping_amount, is_cancelled),
        orders.order_id is null as is_orphan,
        coalesce(orders.is_cancelled, false) as is_order_cancelled,
        case when orders.is_cancelled then lines.units_ordered else lines.units_cancelled end as units_cancelled,
        round(lines.units_ordered * lines.unit_price, 2)::decimal(18, 2) as gross_amount,
        coalesce(orders.discount_amount, 0)::decimal(18, 2) as order_discount
    from order_lines as lines
    left join orders on orders.order_id = lines.order_id
),

valued as (
    select
        *,
        (gross_amount - discount_amount)::decimal(18, 2) as value,
        (sum(gross_amount - discount_amount) over so_far)::decimal(18, 2) as value_so_far,
        (sum(gross_amount - discount_amount) over (partition by order_id))::decimal(18, 2) as order_value
    from lines
    window so_far as (partition by order_id order by order_line_id rows unbounded preceding)
),

-- What is shared out is rounded on the running total, so that the lines' shares add up to the order's amount.
discounted as (
    select *, (share_of(order_discount, value_so_far, order_value)
        - share_of(order_discount, value_so_far - value, order_value))::decimal(18, 2) as order_discount_amount
    from valued
),

priced as (
    select
        lines.*,
        product_days.product_key,
        products.unit_cost,
        (units_ordered - units_cancelled)::decimal(18, 3) as units,
        share_of(value - order_discount_amount, units_cancelled, units_ordered) as cancelled_amount,
        (value - order_discount_amount - cancelled_amount)::decimal(18, 2) as net_revenue_amount,
        (case when lines.currency = 'GBP' then 1 end)::decimal(18, 8) as exchange_rate
    from discounted as lines
    left join product_days on product_days.sku = lines.sku and product_days.calendar_on = lines.ordered_on
    left join marts.dim_product as products on products.product_key = product_days.product_key
)

select
    order_line_id,
    order_id,
    sku,
    product_key,
    customer_id,
    location_id,
    channel,
    ordered_at,
    ordered_on,
    is_orphan,
    is_order_cancelled,
    units_ordered,
    units_cancelled,
    units,
    currency,
    unit_price,
    gross_amount,
    discount_amount,
    order_discount_amount,
    0::decimal(18, 2) as included_tax_amount,
    cancelled_amount,
    net_revenue_amount,
    exchange_rate,
    round(net_revenue_amount * exchange_rate, 2)::decimal(18, 2) as store_net_revenue_amount,
    unit_cost,
    round(units * unit_cost, 2)::decimal(18, 2) as cost_amount,
    (store_net_revenue_amount - cost_amount)::decimal(18, 2) as margin_amount
from priced;

create table marts.fct_orders as
with lines as (
    select
        order_id,
        count(*)::integer as line_count,
        sum(units_ordered) as units_ordered,
        sum(units) as units,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as line_discount_amount,
        sum(included_tax_amount) as included_tax_amount,
        sum(cancelled_amount) as cancelled_amount,
        sum(net_revenue_amount) as net_revenue_amount
    from marts.fct_order_lines
    where not is_orphan
    group by order_id
)

select
    orders.order_id,
    orders.customer_id,
    orders.location_id,
    orders.channel,
    orders.status,
    orders.is_cancelled,
    orders.ship_country,
    coalesce(lines.line_count, 0) as line_count,
    coalesce(lines.units_ordered, 0)::decimal(18, 3) as units_ordered,
    coalesce(lines.units, 0)::decimal(18, 3) as units,
    orders.currency,
    coalesce(lines.gross_amount, 0)::decimal(18, 2) as gross_amount,
    coalesce(lines.line_discount_amount, 0)::decimal(18, 2) as line_discount_amount,
    orders.discount_amount,
    coalesce(lines.included_tax_amount, 0)::decimal(18, 2) as included_tax_amount,
    coalesce(lines.cancelled_amount, 0)::decimal(18, 2) as cancelled_amount,
    coalesce(lines.net_revenue_amount, 0)::decimal(18, 2) as net_revenue_amount,
    orders.shipping_amount,
    orders.tax_amount,
    orders.ordered_at,
    orders.ordered_on,
    orders.cancelled_at,
    orders.updated_at
from orders
left join lines on lines.order_id = orders.order_id;

create table marts.fct_returns as
select
    returns.return_id,
    returns.order_line_id,
    lines.order_id,
    lines.sku,
    lines.customer_id,
    lines.location_id,
    returns.status,
    returns.reason,
    returns.units as units_returned,
    lines.currency,
    returns.refund_amount,
    round(returns.refund_amount * lines.exchange_rate, 2)::decimal(18, 2) as store_refund_amount,
    lines.ordered_on,
    returns.requested_at,
    returns.requested_on,
    returns.received_at,
    (returns.requested_on - lines.ordered_on)::integer as days_since_order,
    coalesce(returns.requested_on - lines.ordered_on between 0 and 45, false) as is_within_window,
    lines.ordered_on is not null as is_matched,
    returns.status = 'rejected' as is_rejected
from returns
left join marts.fct_order_lines as lines on lines.order_line_id = returns.order_line_id;

create temp table line_returns as
with returned as (
    select
        order_line_id,
        count(*) as return_count,
        sum(units_returned) as units_returned,
        sum(units_returned) filter (where is_within_window) as units_returned_in_window,
        sum(store_refund_amount) as store_refund_amount,
        max(requested_on) as last_requested_on
    from marts.fct_returns
    where is_matched and not is_rejected
    group by order_line_id
)

select
    lines.order_id,
    lines.sku,
    lines.product_key,
    lines.customer_id,
    lines.ordered_on,
    lines.units,
    lines.store_net_revenue_amount,
    ordered_on + 45 <= as_of() as is_mature,
    coalesce(returned.return_count, 0)::integer as return_count,
    coalesce(returned.units_returned, 0)::decimal(18, 3) as units_returned,
    coalesce(returned.units_returned_in_window, 0)::decimal(18, 3) as units_returned_in_window,
    coalesce(returned.store_refund_amount, 0)::decimal(18, 2) as store_refund_amount,
    share_of(coalesce(margin_amount, 0), least(coalesce(returned.units_returned, 0), units), units) as margin_lost_amount,
    returned.last_requested_on
from marts.fct_order_lines as lines
left join returned on returned.order_line_id = lines.order_line_id
where not lines.is_orphan;
