with promotions as (

    select * from {{ ref('stg_promotions') }}
    where not is_cancelled

)

select
    promotions.promotion_id,
    promotions.sku,
    days.calendar_on as promoted_on,
    promotions.kind,
    promotions.discount_pct,
    promotions.announced_on,
    promotions.starts_on,
    promotions.ends_on,
    days.is_future
from promotions
inner join {{ ref('dim_date') }} as days
    on days.calendar_on between promotions.starts_on and promotions.ends_on
