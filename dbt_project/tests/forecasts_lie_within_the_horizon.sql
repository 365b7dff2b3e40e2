-- The first day forecast is the one after as_of, the last one horizon_days after it.
select as_of, sku, location_id, forecast_date, horizon_days
from {{ ref('exp_demand_forecast') }}
where horizon_days != {{ days_between('as_of', 'forecast_date') }}
    or horizon_days not between 1 and {{ var('horizon_days') }}
