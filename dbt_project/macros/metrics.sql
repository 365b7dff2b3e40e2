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
