{{ config(materialized='table') }}
with sales as (

    select sku, location_id, min(sold_on) filter (where units > 0) as first_sold_on
    from {{ ref('fct_product_sales_daily') }}
    where sold_on <= {{ as_of() }}
    group by sku, location_id

),

stock as (

    select distinct sku, location_id from {{ ref('fct_inventory_daily') }}

),

launches as (

    select sku, launched_on
    from {{ ref('dim_product') }}
    where is_current and launched_on <= {{ as_of() }}

),

places as (

    select sku, location_id from sales
    union
    select sku, location_id from stock
    union
    select sku, 'main' from launches
    where sku not in (select sku from sales) and sku not in (select sku from stock)

)

select
    row_number() over (order by places.sku, places.location_id) as series_id,
    places.sku,
    places.location_id,
    least(sales.first_sold_on, launches.launched_on) as begins_on
from places
left join sales using (sku, location_id)
left join launches using (sku)
