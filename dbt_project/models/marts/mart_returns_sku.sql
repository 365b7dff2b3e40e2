with lines as (

    select
        sku,
        sum(units) as units,
        sum(units_returned) as units_returned,
        sum(units) filter (where is_mature) as mature_units,
        {{ return_pct('lines') }} as return_pct,
        sum(store_net_revenue_amount) as store_net_revenue_amount,
        sum(store_refund_amount) as store_refund_amount,
        sum(margin_lost_amount) as margin_lost_amount
    from {{ ref('int_line_returns') }} as lines
    group by sku

),

reasons as (

    select sku, coalesce(reason, '(none)') as reason, sum(units_returned) as units_returned
    from {{ ref('fct_returns') }}
    where is_matched and not is_rejected
    group by sku, coalesce(reason, '(none)')
    qualify row_number() over (partition by sku order by sum(units_returned) desc, coalesce(reason, '(none)')) = 1

)

select
    lines.sku,
    products.title,
    coalesce(products.category_1, '(none)') as category_1,
    products.brand,
    lines.units::decimal(18, 3) as units,
    lines.units_returned::decimal(18, 3) as units_returned,
    coalesce(lines.mature_units, 0)::decimal(18, 3) as mature_units,
    lines.return_pct,
    reasons.reason as main_reason,
    coalesce(lines.store_net_revenue_amount, 0)::decimal(18, 2) as store_net_revenue_amount,
    lines.store_refund_amount::decimal(18, 2) as store_refund_amount,
    lines.margin_lost_amount::decimal(18, 2) as margin_lost_amount
from lines
left join {{ ref('dim_product') }} as products on products.sku = lines.sku and products.is_current
left join reasons on reasons.sku = lines.sku
