with first_data as (

    select coalesce(min(first_on), {{ as_of() }}) as first_on
    from (
        select min(ordered_on) as first_on from {{ ref('stg_orders') }}
        union all
        select min(session_on) from {{ ref('fct_sessions') }}
        union all
        select min(snapshot_on) from {{ ref('int_product_changes') }}
    ) as firsts

),

days as (

    {{ days_from_to('first_on', add_days(as_of(), var('horizon_days'))) }}
    from first_data

)

select
    days.calendar_on,
    {{ business_day_starts_at('days.calendar_on') }} as starts_at,
    {{ business_day_starts_at(add_days('days.calendar_on', 1)) }} as ends_at,
    {{ iso_weekday('days.calendar_on') }} as iso_weekday,
    date_trunc('week', days.calendar_on)::date as week_starts_on,
    date_trunc('month', days.calendar_on)::date as month_starts_on,
    {{ iso_weekday('days.calendar_on') }} >= 6 as is_weekend,
    coalesce(calendar.is_open, true) as is_open,
    calendar.event,
    days.calendar_on > {{ as_of() }} as is_future
from days
left join {{ ref('stg_calendar') }} as calendar
    on calendar.calendar_on = days.calendar_on and calendar.location_id is null
