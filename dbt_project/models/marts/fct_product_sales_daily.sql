with sold as (

    select
        sku,
        location_id,
        ordered_on as sold_on,
        sum(units) as units,
        sum(units_ordered) as units_ordered,
        count(distinct order_id) filter (where units > 0) as order_count,
        sum(net_revenue_amount) filter (where currency = '{{ var("currency") }}') as net_revenue_amount,
        {{ middle_price('unit_price') }} filter (where unit_price > 0) as usual_unit_price
    from {{ ref('fct_order_lines') }}
    where not is_orphan
    group by sku, location_id, ordered_on

),

returned as (

    select
        sku,
        location_id,
        requested_on as sold_on,
        sum(units) as units_returned
    from {{ ref('fct_returns') }}
    where is_matched and not is_rejected
    group by sku, location_id, requested_on

)

select
    sku,
    location_id,
    sold_on,
    coalesce(sold.units, 0)::decimal(18, 3) as units,
    coalesce(sold.units_ordered, 0)::decimal(18, 3) as units_ordered,
    coalesce(returned.units_returned, 0)::decimal(18, 3) as units_returned,
    coalesce(sold.order_count, 0)::integer as order_count,
    coalesce(sold.net_revenue_amount, 0)::decimal(18, 2) as net_revenue_amount,
    sold.usual_unit_price
from sold
full outer join returned using (sku, location_id, sold_on)
