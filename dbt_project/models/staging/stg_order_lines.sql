{{ config(materialized='incremental', pre_hook="{{ delete_touched('order_line_id', 'keys of order_lines') }}") }}
with source as (

    {{ standing_states('order_lines', 'order_line_id') }}

),

renamed as (

    select
        order_line_id,
        order_id,
        sku,

        quantity as units_ordered,
        least(coalesce(cancelled_quantity, 0), quantity)::decimal(18, 3) as units_cancelled,
        unit_price,
        discount_amount,

        -- A line has no instant of its own: noon of the day it was delivered stands in.
        coalesce(updated_at, ds + interval 12 hour) as updated_at,
        known_on,
        ds as partition_on
    from source
    qualify row_number() over (
        partition by order_line_id order by coalesce(updated_at, ds + interval 12 hour) desc, ds desc
    ) = 1 and is_deleted is not true

)

select * from renamed
