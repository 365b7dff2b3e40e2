-- Every count of stock stands beside the sales of its day, once.
with counted as (

    select count(*) as day_count, coalesce(sum(units_on_hand), 0) as units_on_hand
    from {{ ref('fct_inventory_daily') }}

),

daily as (

    select
        count(*) filter (where stock_status != 'unknown') as day_count,
        coalesce(sum(units_on_hand), 0) as units_on_hand
    from {{ ref('fct_product_sales_daily') }}

)

select counted.*, daily.day_count as daily_day_count, daily.units_on_hand as daily_units_on_hand
from counted
cross join daily
where counted.day_count != daily.day_count or counted.units_on_hand != daily.units_on_hand
