with sales as (

    select sku, location_id, sold_on, units, usual_unit_price
    from {{ ref('fct_product_sales_daily') }}
    where sold_on <= {{ as_of() }}

),

stock as (

    select sku, location_id, stock_on, units_on_hand
    from {{ ref('fct_inventory_daily') }}

),

launches as (

    select sku, launched_on
    from {{ ref('dim_product') }}
    where is_current and launched_on <= {{ as_of() }}

),

first_sales as (

    select sku, location_id, min(sold_on) filter (where units > 0) as first_sold_on
    from sales
    group by sku, location_id

),

places as (

    select sku, location_id from first_sales
    union
    select sku, location_id from stock
    union
    select sku, 'main' from launches
    where sku not in (select sku from first_sales) and sku not in (select sku from stock)

),

series as (

    select
        row_number() over (order by places.sku, places.location_id) as series_id,
        places.sku,
        places.location_id,
        least(first_sales.first_sold_on, launches.launched_on) as begins_on
    from places
    left join first_sales using (sku, location_id)
    left join launches using (sku)

),

grid as (

    select
        series.*,
        days.calendar_on as sold_on,
        days.ends_at as decision_at,
        days.is_open
    from series
    inner join {{ ref('dim_date') }} as days on days.calendar_on >= series.begins_on
    -- No day before the store's first sale: orders were not yet recorded, which is not a demand of zero.
    where days.calendar_on between (select min(sold_on) from sales where units > 0) and {{ as_of() }}

)

select
    grid.series_id,
    grid.sku,
    grid.location_id,
    grid.sold_on,
    grid.decision_at,
    {{ days_between('grid.begins_on', 'grid.sold_on') }} as age_days,
    coalesce(sales.units, 0)::decimal(18, 3) as units,
    coalesce(local_calendar.is_open, grid.is_open)
        and not (coalesce(stock.units_on_hand = 0, false) and coalesce(sales.units, 0) = 0) as is_observed,
    sales.usual_unit_price
from grid
left join sales
    on sales.sku = grid.sku and sales.location_id = grid.location_id and sales.sold_on = grid.sold_on
left join stock
    on stock.sku = grid.sku and stock.location_id = grid.location_id and stock.stock_on = grid.sold_on
left join {{ ref('stg_calendar') }} as local_calendar
    on local_calendar.calendar_on = grid.sold_on and local_calendar.location_id = grid.location_id
