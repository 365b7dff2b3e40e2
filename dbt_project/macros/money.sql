{#- The part of `total` that falls to `part` out of `whole`, to the cent. Nothing falls to a whole of nothing. -#}
{% macro share_of(total, part, whole) -%}
    (case when {{ whole }} > 0 then round({{ total }} * {{ part }} / {{ whole }}, 2) else 0 end)::decimal(18, 2)
{%- endmacro %}
