{#- The part of `total` that falls to `part` out of `whole`, to the cent. Nothing falls to a whole of nothing. -#}
{% macro share_of(total, part, whole) -%}
    (case when {{ whole }} > 0 then round({{ total }} * {{ part }} / {{ whole }}, 2) else 0 end)::decimal(18, 2)
{%- endmacro %}

{#- Units of the store's currency for one unit of `currency`; null where the rates seed has none for the day. -#}
{% macro store_rate(currency, seed_rate) -%}
    (case when {{ currency }} = '{{ var("currency") }}' then 1 else {{ seed_rate }} end)::decimal(18, 8)
{%- endmacro %}

{#- An amount in the store's currency, to the cent; null without a rate. -#}
{% macro in_store_currency(amount, rate) -%}
    round({{ amount }} * {{ rate }}, 2)::decimal(18, 2)
{%- endmacro %}

{#- What units cost the store, to the cent; null where the unit's cost is unknown. -#}
{% macro cost_of(units, unit_cost) -%}
    round({{ units }} * {{ unit_cost }}, 2)::decimal(18, 2)
{%- endmacro %}
