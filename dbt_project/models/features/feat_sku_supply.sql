with stock as (

    select sku, location_id, stock_on, units_on_hand, units_on_order
    from {{ ref('fct_inventory_daily') }}
    -- A count older than a week says nothing of today's shelf.
    where stock_on > {{ add_days(as_of(), -7) }}
    qualify row_number() over (partition by sku, location_id order by stock_on desc) = 1

),

paid as (

    select
        sku,
        location_id,
        sum(store_net_revenue_amount) as store_net_revenue_amount,
        sum(units) as units
    from {{ ref('fct_product_sales_daily') }}
    where sold_on > {{ add_days(as_of(), -91) }} and sold_on <= {{ as_of() }} and unconverted_line_count = 0
    group by sku, location_id

)

select
    series.sku,
    series.location_id,
    stock.stock_on,
    stock.units_on_hand,
    stock.units_on_order,
    products.lead_time_days,
    products.pack_size,
    products.min_order_quantity,
    products.unit_cost,
    (case
        when paid.units > 0 then paid.store_net_revenue_amount / paid.units else products.list_price
    end)::decimal(18, 4) as net_unit_price,
    '{{ var("currency") }}' as currency,
    ({{ ordering('review_days', 'products.category') }})::integer as review_days,
    ({{ ordering('usual_lead_time_days', 'products.category') }})::integer as usual_lead_time_days,
    ({{ ordering('holding_cost_pct', 'products.category') }})::double as holding_cost_pct,
    ({{ ordering('stockout_cost_pct', 'products.category') }})::double as stockout_cost_pct,
    ({{ ordering('order_cost', 'products.category') }})::decimal(18, 4) as order_cost,
    ({{ ordering('service_pct', 'products.category') }})::double as service_pct,
    ({{ ordering('fill_pct', 'products.category') }})::double as fill_pct
from {{ ref('int_sku_series') }} as series
left join stock on stock.sku = series.sku and stock.location_id = series.location_id
left join paid on paid.sku = series.sku and paid.location_id = series.location_id
left join {{ ref('dim_product') }} as products on products.sku = series.sku and products.is_current
where series.begins_on is not null
