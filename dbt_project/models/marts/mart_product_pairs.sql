with baskets as (

    select distinct order_id, sku
    from {{ ref('fct_order_lines') }}
    where not is_orphan and units > 0 and ordered_on > {{ add_days(as_of(), -365) }}

),

small as (

    select *
    from baskets
    qualify count(*) over (partition by order_id) between 2 and 30

),

pairs as (

    select a.sku as sku, b.sku as other_sku, count(*) as order_count
    from small as a
    inner join small as b on b.order_id = a.order_id
    where a.sku < b.sku
    group by a.sku, b.sku
    having count(*) >= 3
    qualify row_number() over (order by count(*) desc, a.sku, b.sku) <= 10000

),

skus as (select sku, count(*) as order_count from baskets group by sku),

orders as (select count(distinct order_id) as order_count from baskets)

select
    pairs.sku,
    pairs.other_sku,
    pairs.order_count::integer as pair_order_count,
    skus.order_count::integer as sku_order_count,
    others.order_count::integer as other_sku_order_count,
    {{ pct('pairs.order_count', 'orders.order_count') }} as support_pct,
    {{ pct('pairs.order_count', 'skus.order_count') }} as confidence_pct,
    {{ pct('pairs.order_count::double * orders.order_count', 'skus.order_count::double * others.order_count') }} as lift,
    coalesce(products.style_id = other_products.style_id, false) as is_same_style
from pairs
inner join skus on skus.sku = pairs.sku
inner join skus as others on others.sku = pairs.other_sku
cross join orders
left join {{ ref('dim_product') }} as products on products.sku = pairs.sku and products.is_current
left join {{ ref('dim_product') }} as other_products on other_products.sku = pairs.other_sku and other_products.is_current
