with days as (

    select
        *,
        {{ days_between('sold_on', as_of()) }} as days_ago
    from {{ ref('fct_product_sales_daily') }}
    where sold_on <= {{ as_of() }}

),

recent as (

    select
        sku,
        location_id,
        max(days_ago) + 1 as known_days,
        coalesce(sum(units) filter (where days_ago < 28), 0) as units_28d,
        coalesce(sum(units) filter (where days_ago < 91), 0) as units_91d,
        count(*) filter (where days_ago < 28 and stock_status = 'out_of_stock') as stockout_days_28d,
        count(*) filter (where days_ago < 91 and stock_status = 'out_of_stock') as stockout_days_91d,
        max(sold_on) filter (where units > 0) as last_sold_on
    from days
    group by sku, location_id

),

newest as (

    select sku, location_id, stock_on, units_on_hand, units_on_order
    from {{ ref('fct_inventory_daily') }}
    qualify row_number() over (partition by sku, location_id order by stock_on desc) = 1

),

joined as (

    select
        newest.sku,
        newest.location_id,
        products.title,
        products.category_1,
        products.is_active,
        products.lead_time_days,
        newest.stock_on,
        newest.units_on_hand,
        newest.units_on_order,
        {{ cost_of('newest.units_on_hand', 'products.unit_cost') }} as stock_cost_amount,
        recent.known_days::integer as known_days,
        recent.units_28d::decimal(18, 3) as units_28d,
        recent.units_91d::decimal(18, 3) as units_91d,
        recent.last_sold_on,
        recent.stockout_days_28d::integer as stockout_days_28d,
        recent.stockout_days_91d::integer as stockout_days_91d,
        -- A day without stock could not sell, so that it says nothing of the pace.
        {{ pct('recent.units_28d', 'least(28, recent.known_days) - recent.stockout_days_28d') }} as units_per_day
    from newest
    left join recent on recent.sku = newest.sku and recent.location_id = newest.location_id
    left join {{ ref('dim_product') }} as products on products.sku = newest.sku and products.is_current

),

covered as (

    select *, {{ pct('units_on_hand', 'units_per_day') }} as cover_days
    from joined

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
    stock_cost_amount,
    units_28d,
    units_91d,
    units_per_day,
    cover_days,
    lead_time_days,
    last_sold_on,
    stockout_days_28d,
    stockout_days_91d,
    {{ stock_state() }} as stock_state
from covered
