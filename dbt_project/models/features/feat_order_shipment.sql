{{ config(materialized='incremental', pre_hook="{{ delete_touched('order_id', 'parcel_orders') }}") }}
with parcels as (

    select
        *,
        {{ business_day_of('shipped_at') }} as shipped_on,
        {{ business_day_of('promised_at') }} as promised_on,
        {{ business_day_of('delivered_at') }} as delivered_on
    from {{ ref('stg_shipments') }}
    where shipped_at is not null and {{ is_touched('order_id', 'parcel_orders') }}

)

select
    order_id,
    min(shipped_at) as decision_at,
    min(shipped_on) as shipped_on,
    min(greatest(shipped_on, first_known_on)) as known_on,
    min_by(carrier, (shipped_at, shipment_id)) as carrier,
    min_by(service, (shipped_at, shipment_id)) as service,
    max(promised_on) as promised_on,
    count(*)::integer as parcel_count,
    -- Delivered is the order when all of its parcels are.
    case when bool_and(delivered_on is not null) then max(delivered_on) end as delivered_on,
    case
        when bool_and(delivered_on is not null) then max(greatest(delivered_on, delivery_known_on))
    end as delivery_known_on
from parcels
group by order_id
