with source as (

    select * from {{ source('raw', 'events') }}
    where {{ known_by_as_of() }}

),

renamed as (

    select
        event_id,
        visitor_id,
        session_id,
        customer_id,
        order_id,
        sku,

        event_type,
        device,
        country,
        traffic_source,
        page_url,
        attributes,

        quantity as units,
        unit_price,

        occurred_at,
        business_date as occurred_on,
        known_on
    from source
    qualify row_number() over (partition by event_id order by ds desc) = 1 and is_deleted is not true

)

select * from renamed
