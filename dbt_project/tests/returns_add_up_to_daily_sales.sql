-- Every return of a known line that was not rejected stands beside the sales of one day.
with returned as (

    select coalesce(sum(units_returned), 0) as units
    from {{ ref('fct_returns') }}
    where is_matched and not is_rejected

),

daily as (select coalesce(sum(units_returned), 0) as units from {{ ref('fct_product_sales_daily') }})

select returned.units, daily.units as daily_units
from returned
cross join daily
where returned.units != daily.units
