with versions as (

    select
        sku,
        product_key,
        first_seen_on,
        valid_to,
        -- Whatever day is asked for before a SKU's first snapshot, that snapshot answers.
        case when version_number = 1 then date '1900-01-01' else valid_from end as answers_from
    from {{ ref('dim_product') }}

)

select
    versions.sku,
    days.calendar_on,
    versions.product_key,
    days.calendar_on < versions.first_seen_on and versions.answers_from = date '1900-01-01' as is_before_first_snapshot
from versions
inner join {{ ref('dim_date') }} as days
    on days.calendar_on between versions.answers_from and versions.valid_to
where days.calendar_on <= {{ as_of() }}
