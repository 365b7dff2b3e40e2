{#- The day of the build. A variable that differs every night would have dbt parse the project anew; unit tests set it. -#}
{% macro as_of() -%}
    date '{{ var("as_of") or (env_var("NIGHTSHIFT_AS_OF", "2000-01-01") if execute else "2000-01-01") }}'
{%- endmacro %}

{#- The law of staging: nothing that became known after the end of as_of. -#}
{% macro known_by_as_of() -%}
    ds <= {{ as_of() }} and known_on <= {{ as_of() }}
{%- endmacro %}

{% macro add_days(day, days) -%}
    ({{ day }} + interval '{{ days }}' day)::date
{%- endmacro %}
