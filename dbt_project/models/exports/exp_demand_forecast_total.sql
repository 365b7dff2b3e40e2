select
    {{ as_of() }} as as_of,
    level,
    key,
    forecast_date,
    horizon_days::integer as horizon_days,
    units_mean::decimal(18, 4) as units_mean,
    units_p10::decimal(18, 4) as units_p10,
    units_p50::decimal(18, 4) as units_p50,
    units_p90::decimal(18, 4) as units_p90,
    method,
    model_version,
    run_id
from {{ source('predictions', 'demand_total') }}
