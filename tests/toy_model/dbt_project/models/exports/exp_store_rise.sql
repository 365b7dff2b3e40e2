select
    {{ as_of() }} as as_of,
    weekday::integer as weekday,
    rise_probability::double as rise_probability,
    method,
    model_version,
    run_id
from {{ source('predictions', 'toy') }}
