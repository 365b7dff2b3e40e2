{{ config(materialized='incremental', pre_hook="{{ delete_touched('order_id', 'keys of orders') }}") }}
with source as (

    {{ standing_states('orders', 'order_id') }}

),

renamed as (

    select
        order_id,
        customer_id,

        coalesce(location_id, 'main') as location_id,
        channel,
        status,
        status = 'cancelled' as is_cancelled,
        ship_country,
        email as email_hash,

        currency,
        coalesce(discount_amount, 0)::decimal(18, 2) as discount_amount,
        coalesce(shipping_amount, 0)::decimal(18, 2) as shipping_amount,
        coalesce(tax_amount, 0)::decimal(18, 2) as tax_amount,

        ordered_at,
        business_date as ordered_on,
        cancelled_at,
        coalesce(updated_at, ordered_at) as updated_at,
        known_on,
        ds as partition_on
    from source
    qualify row_number() over (
        partition by order_id order by coalesce(updated_at, ordered_at) desc, ds desc
    ) = 1 and is_deleted is not true

)

select * from renamed
