with lines as (

    select
        lines.*,
        products.style_id,
        products.size,
        products.category_1
    from {{ ref('int_line_returns') }} as lines
    inner join {{ ref('dim_product') }} as products on products.product_key = lines.product_key
    where lines.units > 0 and products.style_id is not null and products.size is not null

)

select
    order_id,
    style_id,
    min(coalesce(category_1, '(none)')) as category_1,
    min(customer_id) as customer_id,
    min(ordered_on) as ordered_on,
    count(distinct size)::integer as size_count,
    count(distinct size) filter (where units_returned >= units)::integer as returned_size_count,
    sum(units)::decimal(18, 3) as units,
    sum(units_returned)::decimal(18, 3) as units_returned,
    sum(store_refund_amount)::decimal(18, 2) as store_refund_amount,
    bool_and(is_mature) as is_mature,
    sum(units_returned) > 0 and sum(units_returned) < sum(units) as is_bracketed
from lines
group by order_id, style_id
having count(distinct size) > 1
