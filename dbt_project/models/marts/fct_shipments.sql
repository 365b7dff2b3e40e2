{{ config(materialized='incremental', pre_hook="{{ delete_touched_parcels() }}") }}
with days as (

    select
        *,
        {{ business_day_of('shipped_at') }} as shipped_on,
        {{ business_day_of('promised_at') }} as promised_on,
        {{ business_day_of('delivered_at') }} as delivered_on
    from {{ ref('stg_shipments') }}
    where {{ is_touched_parcel('delivered_at is null') }}

)

select
    days.shipment_id,
    days.order_id,
    orders.customer_id,
    orders.location_id,
    orders.ship_country,
    days.carrier,
    days.service,
    days.weight_kg,
    days.distance_km,
    orders.ordered_on,
    days.shipped_at,
    days.shipped_on,
    days.promised_at,
    days.promised_on,
    days.delivered_at,
    days.delivered_on,
    {{ days_between('orders.ordered_on', 'days.shipped_on') }} as handling_days,
    {{ days_between('days.shipped_on', 'days.delivered_on') }} as transit_days,
    {{ days_between('days.promised_on', 'days.delivered_on') }} as late_days,
    days.delivered_on is not null as is_delivered,
    -- A parcel still on its way is late once its day is over, and nothing is known of it before.
    case
        when days.delivered_on is not null then days.delivered_on > days.promised_on
        when days.promised_on < {{ as_of() }} then true
    end as is_late,
    orders.order_id is null as is_orphan
from days
left join {{ ref('fct_orders') }} as orders on orders.order_id = days.order_id
