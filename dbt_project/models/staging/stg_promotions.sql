with source as (

    select * from {{ source('raw', 'promotions') }}
    where {{ known_by_as_of() }}

),

renamed as (

    select
        promotion_id,
        sku,

        kind,
        is_cancelled,

        discount_pct,

        starts_on,
        ends_on,
        coalesce(announced_on, min(ds) over (partition by promotion_id, sku)) as announced_on,
        known_on
    from source
    qualify row_number() over (partition by promotion_id, sku order by ds desc) = 1

)

select * from renamed
