{{ config(materialized='incremental', pre_hook="{{ delete_touched('cart_id', 'keys of cart_messages') }}") }}
with source as (

    select * from {{ source('raw', 'cart_messages') }}
    where {{ known_by_as_of() }} and {{ is_touched('cart_id', 'keys of cart_messages') }}

),

renamed as (

    select
        cart_id,
        visitor_id,
        customer_id,

        experiment_group,
        propensity,

        assigned_at,
        sent_at,
        known_on,
        ds as partition_on
    from source
    qualify row_number() over (partition by cart_id order by ds desc) = 1 and is_deleted is not true

)

select * from renamed
