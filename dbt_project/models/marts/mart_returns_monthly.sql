with firsts as (

    select customer_id, min(ordered_on) as first_ordered_on
    from {{ ref('int_line_returns') }}
    where units > 0 and customer_id is not null
    group by customer_id

),

lines as (

    select
        lines.*,
        date_trunc('month', lines.ordered_on)::date as month_starts_on,
        coalesce(products.category_1, '(none)') as category_1,
        case
            when lines.customer_id is null then 'guest'
            when lines.ordered_on = firsts.first_ordered_on then 'new'
            else 'returning'
        end as buyer
    from {{ ref('int_line_returns') }} as lines
    left join {{ ref('dim_product') }} as products on products.product_key = lines.product_key
    left join firsts on firsts.customer_id = lines.customer_id

)

select
    month_starts_on,
    category_1,
    buyer,
    sum(units)::decimal(18, 3) as units,
    sum(units_returned)::decimal(18, 3) as units_returned,
    coalesce(sum(units) filter (where is_mature), 0)::decimal(18, 3) as mature_units,
    {{ return_pct('lines') }} as return_pct,
    coalesce(sum(store_net_revenue_amount), 0)::decimal(18, 2) as store_net_revenue_amount,
    sum(store_refund_amount)::decimal(18, 2) as store_refund_amount,
    sum(margin_lost_amount)::decimal(18, 2) as margin_lost_amount
from lines
group by month_starts_on, category_1, buyer
