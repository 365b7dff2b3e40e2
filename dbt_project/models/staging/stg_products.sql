with source as (

    select * from {{ source('raw', 'products') }}
    where {{ known_by_as_of() }}

),

renamed as (

    select
        sku,
        style_id,

        title,
        size,
        color,
        category,
        {{ category_level('category', 1) }} as category_1,
        {{ category_level('category', 2) }} as category_2,
        {{ category_level('category', 3) }} as category_3,
        brand,
        supplier,
        unit_of_measure,
        is_active,
        attributes,
        image_url,

        list_price,
        unit_cost,
        lead_time_days,
        pack_size,
        min_order_quantity,

        launched_on,
        business_date as snapshot_on
    from source

)

select * from renamed
