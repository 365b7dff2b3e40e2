-- Delivery, stock, catalog and baskets, and the books about all of it.
create table marts.mart_delivery as
select
    date_trunc('month', coalesce(shipped_on, ordered_on, promised_on, delivered_on))::date as month_starts_on,
    carrier,
    coalesce(service, '(none)') as service,
    coalesce(location_id, '(none)') as location_id,
    coalesce(ship_country, '(none)') as ship_country,
    count(*)::integer as parcel_count,
    (count(*) filter (where is_delivered))::integer as delivered_count,
    (count(*) filter (where is_late is not null))::integer as judged_count,
    (count(*) filter (where is_late))::integer as late_count,
    pct(count(*) filter (where is_late), count(*) filter (where is_late is not null)) as late_pct,
    pct(sum(transit_days), count(transit_days)) as mean_transit_days,
    quantile_disc(transit_days, 0.9) as p90_transit_days,
    pct(sum(handling_days), count(handling_days)) as mean_handling_days
from marts.fct_shipments
where coalesce(shipped_on, ordered_on, promised_on, delivered_on) is not null
group by all;

create table marts.mart_stock_health as
with recent as (
    select
        sku,
        location_id,
        max(as_of() - sold_on) + 1 as known_days,
        coalesce(sum(units) filter (where sold_on > as_of() - 28), 0) as units_28d,
        coalesce(sum(units) filter (where sold_on > as_of() - 91), 0) as units_91d,
        count(*) filter (where sold_on > as_of() - 28 and stock_status = 'out_of_stock') as stockout_days_28d,
        count(*) filter (where sold_on > as_of() - 91 and stock_status = 'out_of_stock') as stockout_days_91d,
        max(sold_on) filter (where units > 0) as last_sold_on
    from marts.fct_product_sales_daily
    where sold_on <= as_of()
    group by sku, location_id
),

newest as (
    select sku, location_id, max(stock_on) as stock_on, max_by(units_on_hand, stock_on) as units_on_hand,
        max_by(units_on_order, stock_on) as units_on_order
    from marts.fct_inventory_daily
    group by sku, location_id
),

covered as (
    select
        newest.*,
        recent.* exclude (sku, location_id),
        products.* exclude (sku),
        pct(recent.units_28d, least(28, recent.known_days) - recent.stockout_days_28d) as units_per_day,
        pct(units_on_hand, units_per_day) as cover_days
    from newest
    left join recent on recent.sku = newest.sku and recent.location_id = newest.location_id
    left join products on products.sku = newest.sku
)

select
    sku,
    location_id,
    title,
    coalesce(category_1, '(none)') as category_1,
    is_active,
    stock_on,
    units_on_hand,
    units_on_order,
    round(units_on_hand * unit_cost, 2)::decimal(18, 2) as stock_cost_amount,
    units_28d::decimal(18, 3) as units_28d,
    units_91d::decimal(18, 3) as units_91d,
    units_per_day,
    cover_days,
    lead_time_days,
    last_sold_on,
    stockout_days_28d::integer as stockout_days_28d,
    stockout_days_91d::integer as stockout_days_91d,
    case
        when units_on_hand = 0 then 'out_of_stock'
        when units_91d = 0 and known_days >= 91 then 'dead'
        when cover_days > 91 + coalesce(lead_time_days, 0) then 'overstock'
        when units_on_hand + units_on_order < units_per_day * lead_time_days then 'low'
        else 'healthy'
    end as stock_state
from covered;

create table marts.mart_catalog_completeness as
with sold as (
    select sku, sum(units) as units_91d, sum(store_net_revenue_amount) as store_net_revenue_91d_amount
    from marts.fct_product_sales_daily
    where sold_on > as_of() - 91 and sold_on <= as_of() and units_ordered > 0
    group by sku
),

checked as (
    select
        sku,
        products.title,
        products.category_1,
        products.brand,
        products.is_active,
        products.sku is not null as is_in_catalog,
        products.list_price is not null as has_list_price,
        coalesce(products.unit_cost > 0, false) as has_unit_cost,
        products.category_1 is not null as has_category,
        products.image_url is not null as has_image,
        products.lead_time_days is not null as has_lead_time,
        products.style_id is not null as has_style,
        products.launched_on is not null as has_launch,
        coalesce(sold.units_91d, 0)::decimal(18, 3) as units_91d,
        coalesce(sold.store_net_revenue_91d_amount, 0)::decimal(18, 2) as store_net_revenue_91d_amount
    from products
    full outer join sold using (sku)
)

select
    *,
    concat_ws(
        '; ',
        case when not is_in_catalog then 'not in the catalog: nothing is known of it but its sales' end,
        case when is_in_catalog and not has_list_price then 'no list price: the last price paid stands in' end,
        case when is_in_catalog and not has_unit_cost then 'no unit cost: no margin, no margin at risk' end,
        case when is_in_catalog and not has_category then 'no category: forecast and totals without its kin' end,
        case when is_in_catalog and not has_image then 'no image: none in messages' end,
        case when is_in_catalog and not has_lead_time then 'no lead time: no reorder point' end,
        case when is_in_catalog and not has_style then 'no style: several sizes in an order go unseen' end,
        case when is_in_catalog and not has_launch then 'no launch day: it begins with its first sale' end
    ) as consequences,
    is_in_catalog and has_list_price and has_unit_cost and has_category and has_image and has_lead_time as is_complete
from checked;

create table marts.mart_product_pairs as
with baskets as materialized (
    select distinct order_id, sku
    from marts.fct_order_lines
    where not is_orphan and units > 0 and ordered_on > as_of() - 365
),

small as materialized (
    select * from baskets qualify count(*) over (partition by order_id) between 2 and 30
),

pairs as (
    select a.sku, b.sku as other_sku, count(*) as order_count
    from small as a
    inner join small as b on b.order_id = a.order_id
    where a.sku < b.sku
    group by a.sku, b.sku
    having count(*) >= 3
    order by order_count desc, a.sku, b.sku
    limit 10000
),

skus as (select sku, count(*) as order_count from baskets group by sku),

totals as (select count(distinct order_id) as order_count from baskets)

select
    pairs.sku,
    pairs.other_sku,
    pairs.order_count::integer as pair_order_count,
    skus.order_count::integer as sku_order_count,
    others.order_count::integer as other_sku_order_count,
    pct(pairs.order_count, totals.order_count) as support_pct,
    pct(pairs.order_count, skus.order_count) as confidence_pct,
    pct(pairs.order_count::double * totals.order_count, skus.order_count::double * others.order_count) as lift,
    coalesce(own.style_id = other.style_id, false) as is_same_style
from pairs
inner join skus on skus.sku = pairs.sku
inner join skus as others on others.sku = pairs.other_sku
cross join totals
left join products as own on own.sku = pairs.sku
left join products as other on other.sku = pairs.other_sku;

create table marts.mart_currencies as
with refunds as (
    select
        currency,
        sum(refund_amount) as refund_amount,
        sum(refund_amount) filter (where store_refund_amount is null) as unconverted_refund_amount
    from marts.fct_returns
    where is_matched and not is_rejected
    group by currency
)

select
    lines.currency,
    count(*)::integer as line_count,
    sum(lines.net_revenue_amount)::decimal(18, 2) as net_revenue_amount,
    sum(lines.store_net_revenue_amount)::decimal(18, 2) as store_net_revenue_amount,
    coalesce(any_value(refunds.refund_amount), 0)::decimal(18, 2) as refund_amount,
    (count(*) filter (where exchange_rate is null))::integer as unconverted_line_count,
    coalesce(sum(net_revenue_amount) filter (where exchange_rate is null), 0)::decimal(18, 2) as unconverted_amount,
    coalesce(any_value(refunds.unconverted_refund_amount), 0)::decimal(18, 2) as unconverted_refund_amount,
    min(ordered_on) filter (where exchange_rate is null) as first_unconverted_on,
    max(ordered_on) filter (where exchange_rate is null) as last_unconverted_on
from marts.fct_order_lines as lines
left join refunds on refunds.currency = lines.currency
where not lines.is_orphan
group by lines.currency;

create table marts.mart_orphans as
with orphans as (
    select
        'order_lines' as feed, order_line_id as row_id, 'orders' as referenced_feed, order_id as referenced_id, known_on
    from order_lines where order_id not in (select order_id from orders)
    union all
    select 'order_lines', order_line_id, 'products', sku, known_on
    from order_lines where sku not in (select sku from products)
    union all
    select 'returns', return_id, 'order_lines', order_line_id, known_on
    from returns where order_line_id not in (select order_line_id from order_lines)
    union all
    select 'shipments', shipment_id, 'orders', order_id, known_on
    from shipments where order_id not in (select order_id from orders)
    union all
    select 'events', event_id, 'orders', order_id, known_on
    from cart_events where type = 'purchase' and order_id not in (select order_id from orders)
    union all
    select 'orders', order_id, 'customers', customer_id, known_on
    from orders where customer_id not in (select customer_id from customers)
    union all
    select 'promotions', promotion_id || ' ' || sku, 'products', sku, known_on
    from promotions where sku not in (select sku from products)
    union all
    select 'inventory', sku || ' ' || location_id, 'products', sku, min(stock_on)
    from marts.fct_inventory_daily where sku not in (select sku from products) group by sku, location_id
)

select *, (as_of() - known_on)::integer as days_waiting, as_of() - known_on > 3 as is_overdue
from orphans;

create table marts.meta_build as
select
    as_of() as as_of,
    'Europe/London' as timezone,
    'GBP' as currency,
    28 as horizon_days,
    45 as return_window_days,
    false as has_tax_in_prices,
    'orders, order_lines, returns, products, inventory, promotions, calendar, customers, events, shipments' as feeds_present,
    '' as feeds_absent;

drop schema work cascade;
