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
        known_on,
        ds as partition_on
    from source
    where is_deleted is not true
        -- Not "not exists": an anti join looks at every click for several times as long.
        and (event_id, ds) not in (select (event_id, partition_on) from {{ ref('stg_event_repeats') }})

)

select * from renamed
