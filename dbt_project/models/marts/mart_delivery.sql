with parcels as (

    select
        *,
        date_trunc('month', coalesce(shipped_on, ordered_on, promised_on, delivered_on))::date as month_starts_on
    from {{ ref('fct_shipments') }}

)

select
    month_starts_on,
    carrier,
    coalesce(service, '(none)') as service,
    coalesce(location_id, '(none)') as location_id,
    coalesce(ship_country, '(none)') as ship_country,
    count(*)::integer as parcel_count,
    count(*) filter (where is_delivered)::integer as delivered_count,
    count(*) filter (where is_late is not null)::integer as judged_count,
    count(*) filter (where is_late)::integer as late_count,
    {{ late_pct() }} as late_pct,
    {{ pct('sum(transit_days)', 'count(transit_days)') }} as mean_transit_days,
    {{ quantile_of('transit_days', 0.9) }} as p90_transit_days,
    {{ pct('sum(handling_days)', 'count(handling_days)') }} as mean_handling_days
from parcels
where month_starts_on is not null
group by
    month_starts_on,
    carrier,
    coalesce(service, '(none)'),
    coalesce(location_id, '(none)'),
    coalesce(ship_country, '(none)')
