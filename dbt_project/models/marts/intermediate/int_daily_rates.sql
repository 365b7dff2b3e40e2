select
    rates.currency,
    days.calendar_on,
    max_by(rates.rate, rates.valid_from) as exchange_rate
from {{ ref('exchange_rates') }} as rates
inner join {{ ref('dim_date') }} as days on days.calendar_on >= rates.valid_from
where days.calendar_on <= {{ as_of() }}
group by rates.currency, days.calendar_on
