with sold as (

    select
        sku,
        sum(units) as units_91d,
        sum(store_net_revenue_amount) as store_net_revenue_91d_amount
    from {{ ref('fct_product_sales_daily') }}
    where sold_on > {{ add_days(as_of(), -91) }} and sold_on <= {{ as_of() }} and units_ordered > 0
    group by sku

),

catalog as (

    select * from {{ ref('dim_product') }}
    where is_current

),

checked as (

    select
        sku,
        catalog.title,
        catalog.category_1,
        catalog.brand,
        catalog.is_active,
        catalog.sku is not null as is_in_catalog,
        catalog.list_price is not null as has_list_price,
        coalesce(catalog.unit_cost > 0, false) as has_unit_cost,
        catalog.category_1 is not null as has_category,
        catalog.image_url is not null as has_image,
        catalog.lead_time_days is not null as has_lead_time,
        catalog.style_id is not null as has_style,
        catalog.launched_on is not null as has_launch,
        coalesce(sold.units_91d, 0)::decimal(18, 3) as units_91d,
        coalesce(sold.store_net_revenue_91d_amount, 0)::decimal(18, 2) as store_net_revenue_91d_amount
    from catalog
    full outer join sold using (sku)

)

select
    *,
    concat_ws(
        '; ',
        case when not is_in_catalog then 'not in the catalog: nothing is known of it but its sales' end,
        case when is_in_catalog and not has_list_price then 'no list price: the last price paid stands in' end,
        case when is_in_catalog and not has_unit_cost then 'no unit cost: no margin, no margin at risk' end,
        case when is_in_catalog and not has_category then 'no category: forecast and totals without its kin' end,
        case when is_in_catalog and not has_image then 'no image: none in messages' end,
        case when is_in_catalog and not has_lead_time then 'no lead time: no reorder point' end,
        case when is_in_catalog and not has_style then 'no style: several sizes in an order go unseen' end,
        case when is_in_catalog and not has_launch then 'no launch day: it begins with its first sale' end
    ) as consequences,
    (
        is_in_catalog and has_list_price and has_unit_cost and has_category and has_image and has_lead_time
    ) as is_complete
from checked
