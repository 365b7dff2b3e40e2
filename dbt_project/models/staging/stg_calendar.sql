{{ config(materialized='table') }}
with source as (

    select * from {{ source('raw', 'calendar') }}
    where {{ known_by_as_of() }}

),

renamed as (

    select
        location_id,

        is_open,
        event,

        date as calendar_on,
        known_on
    from source
    qualify row_number() over (partition by date, location_id order by ds desc) = 1

)

select * from renamed
