{{ config(materialized='incremental', pre_hook="{{ delete_touched('shipment_id', 'keys of shipments') }}") }}
with source as (

    select * from {{ source('raw', 'shipments') }}
    where {{ known_by_as_of() }} and {{ is_touched('shipment_id', 'keys of shipments') }}

),

renamed as (

    select
        shipment_id,
        order_id,

        carrier,
        service,

        weight_kg,
        distance_km,

        shipped_at,
        promised_at,
        delivered_at,
        known_on,
        min(known_on) over (partition by shipment_id) as first_known_on,
        min(known_on) filter (where delivered_at is not null) over (partition by shipment_id) as delivery_known_on,
        min(ds) over (partition by shipment_id) as first_partition_on,
        min(ds) filter (where delivered_at is not null) over (partition by shipment_id) as delivery_partition_on,
        ds as partition_on
    from source
    qualify row_number() over (partition by shipment_id order by ds desc) = 1 and is_deleted is not true

)

select * from renamed
