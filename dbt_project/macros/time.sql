{% macro as_of() -%}
    date '{{ var("as_of") }}'
{%- endmacro %}

{#- The law of staging: nothing that became known after the end of as_of. -#}
{% macro known_by_as_of() -%}
    ds <= {{ as_of() }} and known_on <= {{ as_of() }}
{%- endmacro %}

{% macro add_days(day, days) -%}
    ({{ day }} + interval '{{ days }}' day)::date
{%- endmacro %}
