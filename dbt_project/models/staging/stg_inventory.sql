with source as (

    select * from {{ source('raw', 'inventory') }}
    where {{ known_by_as_of() }}

),

renamed as (

    select
        sku,
        location_id,

        on_hand as units_on_hand,
        on_order as units_on_order,

        business_date as stock_on
    from source

)

select * from renamed
