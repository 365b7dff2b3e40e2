-- Every parcel with a day stands in one month, carrier and lane.
with facts as (

    select count(*) as parcel_count
    from {{ ref('fct_shipments') }}
    where coalesce(shipped_on, ordered_on, promised_on, delivered_on) is not null

),

mart as (select coalesce(sum(parcel_count), 0) as parcel_count from {{ ref('mart_delivery') }})

select facts.parcel_count, mart.parcel_count as mart_parcel_count
from facts
cross join mart
where facts.parcel_count != mart.parcel_count
