{#- The metrics that marts and analysts share, each stated once. They stand in an aggregate over rows of the fact they name. -#}

{#- fct_order_lines: net revenue of lines whose margin is known, in the store's currency. -#}
{% macro costed_revenue(lines) -%}
    coalesce(
        sum({{ lines }}.store_net_revenue_amount) filter (where {{ lines }}.margin_amount is not null), 0
    )::decimal(18, 2)
{%- endmacro %}

{#- fct_order_lines: net revenue less cost, of lines where both are known. Divide by costed_revenue for the margin's share. -#}
{% macro margin(lines) -%}
    sum({{ lines }}.margin_amount)::decimal(18, 2)
{%- endmacro %}

{#- A share from 0 to 1; null where there is nothing to share. -#}
{% macro pct(part, whole) -%}
    (({{ part }}) / nullif({{ whole }}, 0))::double
{%- endmacro %}

{#- int_line_returns: units sent back within the return window, of those old enough to know; 0 to 1, more where more came back than
    was sold. -#}
{% macro return_pct(lines) -%}
    {{ pct(
        'sum(' ~ lines ~ '.units_returned_in_window) filter (where ' ~ lines ~ '.is_mature)',
        'sum(' ~ lines ~ '.units) filter (where ' ~ lines ~ '.is_mature)'
    ) }}
{%- endmacro %}

{#- fct_sessions: sessions with a purchase, of those that are no bot's. -#}
{% macro conversion_pct() -%}
    {{ pct('count(*) filter (where not is_bot and has_purchase)', 'count(*) filter (where not is_bot)') }}
{%- endmacro %}

{#- fct_shipments: late parcels, of those of which it is known whether they are. -#}
{% macro late_pct() -%}
    {{ pct('count(*) filter (where is_late)', 'count(*) filter (where is_late is not null)') }}
{%- endmacro %}

{#- A quantile of the gamma distribution, by its normal score (Wilson and Hilferty 1931, The distribution of chi-square). -#}
{% macro gamma_bound(shape, weight, score) -%}
    {{ shape }} / {{ weight }} * power(1 - 1 / (9 * {{ shape }}) + ({{ score }}) / (3 * sqrt({{ shape }})), 3)
{%- endmacro %}
