{{ config(materialized='incremental', pre_hook="{{ delete_touched('customer_id', 'keys of customers') }}") }}
with source as (

    {{ standing_states('customers', 'customer_id') }}

),

renamed as (

    select
        customer_id,

        country,
        region,
        email as email_hash,
        phone as phone_hash,
        coalesce(marketing_consent, false) as has_marketing_consent,
        attributes,

        created_at,
        coalesce(updated_at, created_at) as updated_at,
        known_on,
        ds as partition_on
    from source
    qualify row_number() over (
        partition by customer_id order by coalesce(updated_at, created_at) desc nulls last, ds desc
    ) = 1 and is_deleted is not true

)

select * from renamed
