select
    rates.currency,
    days.calendar_on,
    max_by(rates.rate, rates.valid_from) as exchange_rate
from {{ ref('exchange_rates') }} as rates
inner join {{ ref('dim_date') }} as days on days.calendar_on >= rates.valid_from
-- An order may lie a day ahead of its delivery.
where days.calendar_on <= {{ add_days(as_of(), 1) }}
group by rates.currency, days.calendar_on
