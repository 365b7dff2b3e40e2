with days as (

    select sku, location_id, sold_on, units, is_observed, is_sold_out
    from {{ ref('int_sku_days') }}
    -- A quarter, and the eight weeks before its first day.
    where sold_on > {{ add_days(as_of(), -147) }}

),

paced as (

    select
        sku,
        location_id,
        sold_on,
        sum(units) filter (where is_observed) over before as units_before,
        -- Of a day that sold out, half had stock on average.
        count(*) filter (where is_observed) over before
        - count(*) filter (where is_sold_out) over before / 2.0 as observed_days_before
    from days
    window before as (partition by sku, location_id order by sold_on rows between 56 preceding and 1 preceding)

)

select
    paced.sku,
    paced.location_id,
    paced.sold_on,
    coalesce(products.category_1, '(none)') as category_1,
    (paced.units_before / paced.observed_days_before)::decimal(18, 4) as units_lost
from paced
inner join {{ ref('fct_product_sales_daily') }} as sales
    on sales.sku = paced.sku and sales.location_id = paced.location_id and sales.sold_on = paced.sold_on
left join {{ ref('dim_product') }} as products on products.sku = paced.sku and products.is_current
where sales.stock_status = 'out_of_stock'
    and paced.sold_on > {{ add_days(as_of(), -91) }}
    and paced.observed_days_before > 0
    and coalesce(products.is_active, true)
