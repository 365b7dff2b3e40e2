-- Customers, parcels and promotions; sales and stock by day, and what the demand model reads of them.
create table marts.dim_customer as
with buyers as (
    select
        customer_id,
        (count(*) filter (where units > 0))::integer as order_count,
        min(ordered_on) filter (where units > 0) as first_ordered_on,
        max(ordered_on) filter (where units > 0) as last_ordered_on
    from marts.fct_orders
    where customer_id is not null
    group by customer_id
)

select
    customer_id,
    customers.country,
    customers.region,
    customers.created_at,
    customers.updated_at,
    coalesce(customers.has_marketing_consent, false) as has_marketing_consent,
    customers.customer_id is not null as has_profile,
    coalesce(buyers.order_count, 0) as order_count,
    buyers.first_ordered_on,
    buyers.last_ordered_on
from customers
full outer join buyers using (customer_id);

create table marts.fct_shipments as
select
    days.shipment_id,
    days.order_id,
    orders.customer_id,
    orders.location_id,
    orders.ship_country,
    days.carrier,
    days.service,
    days.weight_kg,
    days.distance_km,
    orders.ordered_on,
    days.shipped_at,
    days.shipped_on,
    days.promised_at,
    days.promised_on,
    days.delivered_at,
    days.delivered_on,
    (days.shipped_on - orders.ordered_on)::integer as handling_days,
    (days.delivered_on - days.shipped_on)::integer as transit_days,
    (days.delivered_on - days.promised_on)::integer as late_days,
    days.delivered_on is not null as is_delivered,
    case
        when days.delivered_on is not null then days.delivered_on > days.promised_on
        when days.promised_on < as_of() then true
    end as is_late,
    orders.order_id is null as is_orphan
from (
    select
        *,
        business_day(shipped_at) as shipped_on,
        business_day(promised_at) as promised_on,
        business_day(delivered_at) as delivered_on
    from shipments
) as days
left join orders on orders.order_id = days.order_id;

create table marts.fct_promotion_days as
select
    promotion_id,
    sku,
    days.calendar_on as promoted_on,
    kind,
    discount_pct,
    announced_on,
    starts_on,
    ends_on,
    days.is_future
from promotions
inner join marts.dim_date as days on days.calendar_on between promotions.starts_on and promotions.ends_on
where not is_cancelled;

create table marts.fct_product_sales_daily as
with sold as (
    select
        sku,
        location_id,
        ordered_on as sold_on,
        sum(units) as units,
        sum(units_ordered) as units_ordered,
        count(distinct order_id) filter (where units > 0) as order_count,
        sum(store_net_revenue_amount) as store_net_revenue_amount,
        count(*) filter (where exchange_rate is null) as unconverted_line_count,
        quantile_disc(unit_price, 0.5) filter (where unit_price > 0) as usual_unit_price
    from marts.fct_order_lines
    where not is_orphan
    group by sku, location_id, ordered_on
),

returned as (
    select sku, location_id, requested_on as sold_on, sum(units_returned) as units_returned
    from marts.fct_returns
    where is_matched and not is_rejected
    group by sku, location_id, requested_on
)

select
    sku,
    location_id,
    sold_on,
    coalesce(sold.units, 0)::decimal(18, 3) as units,
    coalesce(sold.units_ordered, 0)::decimal(18, 3) as units_ordered,
    coalesce(returned.units_returned, 0)::decimal(18, 3) as units_returned,
    coalesce(sold.order_count, 0)::integer as order_count,
    coalesce(sold.store_net_revenue_amount, 0)::decimal(18, 2) as store_net_revenue_amount,
    coalesce(sold.unconverted_line_count, 0)::integer as unconverted_line_count,
    sold.usual_unit_price,
    stock.units_on_hand,
    case
        when stock.units_on_hand is null then 'unknown'
        when stock.units_on_hand > 0 then 'in_stock'
        when sold.units > 0 then 'sold_out'
        else 'out_of_stock'
    end as stock_status
from sold
full outer join returned using (sku, location_id, sold_on)
full outer join (select *, stock_on as sold_on from marts.fct_inventory_daily) as stock using (sku, location_id, sold_on);

create table features.feat_sku_day as
with sales as (
    select * from marts.fct_product_sales_daily where sold_on <= as_of()
),

places as (
    select sku, location_id, min(sold_on) filter (where units > 0) as first_sold_on
    from (
        select sku, location_id, sold_on, units from sales
        union all
        select sku, 'main', null, null from products
        where launched_on <= as_of() and sku not in (select sku from sales)
    )
    group by sku, location_id
),

series as (
    select
        row_number() over () as series_id,
        places.sku,
        places.location_id,
        least(places.first_sold_on, products.launched_on) as begins_on
    from places
    left join products on products.sku = places.sku and products.launched_on <= as_of()
),

days as (
    select
        series.series_id,
        series.sku,
        series.location_id,
        dates.calendar_on as sold_on,
        dates.ends_at as decision_at,
        (dates.calendar_on - series.begins_on)::integer as age_days,
        coalesce(sales.units, 0)::decimal(18, 3) as units,
        coalesce(local_calendar.is_open, dates.is_open)
            and not (coalesce(sales.units_on_hand = 0, false) and coalesce(sales.units, 0) = 0) as is_observed,
        coalesce(sales.units_on_hand = 0 and sales.units > 0, false) as is_sold_out,
        sales.usual_unit_price
    from series
    inner join marts.dim_date as dates on dates.calendar_on >= series.begins_on
    left join sales
        on sales.sku = series.sku and sales.location_id = series.location_id and sales.sold_on = dates.calendar_on
    left join calendar as local_calendar
        on local_calendar.calendar_on = dates.calendar_on and local_calendar.location_id = series.location_id
    where dates.calendar_on between (select min(sold_on) from sales where units > 0) and as_of()
),

priced as (
    select
        *,
        last_value(usual_unit_price ignore nulls) over (
            partition by series_id order by sold_on rows unbounded preceding
        ) as paid_unit_price
    from days
)

select
    priced.sku,
    priced.location_id,
    priced.sold_on,
    priced.decision_at,
    priced.units,
    priced.is_observed,
    priced.is_sold_out,
    coalesce(products.list_price, priced.paid_unit_price) as unit_price,
    products.category_1,
    products.category_2,
    products.is_active,
    products.brand,
    priced.age_days
from priced
left join product_days on product_days.sku = priced.sku and product_days.calendar_on = priced.sold_on
left join marts.dim_product as products on products.product_key = product_days.product_key;
