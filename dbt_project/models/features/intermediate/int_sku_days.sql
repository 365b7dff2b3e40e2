with sales as (

    select sku, location_id, sold_on, units, usual_unit_price
    from {{ ref('fct_product_sales_daily') }}
    where sold_on <= {{ as_of() }}

),

stock as (

    select sku, location_id, stock_on, units_on_hand
    from {{ ref('fct_inventory_daily') }}

),

grid as (

    select
        series.*,
        days.calendar_on as sold_on,
        days.ends_at as decision_at,
        days.is_open
    from {{ ref('int_sku_series') }} as series
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
    coalesce(stock.units_on_hand = 0 and sales.units > 0, false) as is_sold_out,
    sales.usual_unit_price
from grid
left join sales
    on sales.sku = grid.sku and sales.location_id = grid.location_id and sales.sold_on = grid.sold_on
left join stock
    on stock.sku = grid.sku and stock.location_id = grid.location_id and stock.stock_on = grid.sold_on
left join {{ ref('stg_calendar') }} as local_calendar
    on local_calendar.calendar_on = grid.sold_on and local_calendar.location_id = grid.location_id
