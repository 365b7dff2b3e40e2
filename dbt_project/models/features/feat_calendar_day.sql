with places as (

    select distinct location_id from {{ ref('int_sku_series') }}

)

select
    days.calendar_on,
    places.location_id,
    coalesce(local_calendar.is_open, days.is_open) as is_location_open,
    coalesce(local_calendar.event, days.event) as event,
    '{{ var("country") }}' as store_country
from {{ ref('dim_date') }} as days
cross join places
left join {{ ref('stg_calendar') }} as local_calendar
    on local_calendar.calendar_on = days.calendar_on and local_calendar.location_id = places.location_id
