{{ config(materialized='incremental', pre_hook="{{ delete_touched('return_id', 'keys of returns') }}") }}
with source as (

    select * from {{ source('raw', 'returns') }}
    where {{ known_by_as_of() }} and {{ is_touched('return_id', 'keys of returns') }}

),

renamed as (

    select
        return_id,
        order_line_id,

        status,
        reason,

        quantity as units,
        refund_amount,

        requested_at,
        business_date as requested_on,
        received_at,
        known_on,
        min(known_on) over (partition by return_id) as first_known_on,
        min(ds) over (partition by return_id) as first_partition_on,
        ds as partition_on
    from source
    qualify row_number() over (partition by return_id order by ds desc) = 1 and is_deleted is not true

)

select * from renamed
