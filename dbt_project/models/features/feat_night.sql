select
    {{ as_of() }} as as_of,
    {{ business_day_starts_at(add_days(as_of(), 1)) }} as decision_at
