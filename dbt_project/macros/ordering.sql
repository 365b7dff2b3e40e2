{#- A figure of the store's policy for orders: that of the deepest category that has its own, else the store's. -#}
{% macro ordering(name, category) -%}
    {%- set policy = var('ordering') -%}
    {%- set usual = policy[name] if policy[name] is not none else 'null' -%}
    {%- set own = policy['categories'] | rejectattr(name, 'none') | sort(attribute='category') | reverse | list -%}
    {%- if own -%}
    case
        {%- for figures in own %}
        {%- set path = figures['category'] | replace("'", "''") %}
        when {{ category }} = '{{ path }}' or starts_with({{ category }}, '{{ path }} > ') then {{ figures[name] }}
        {%- endfor %}
        else {{ usual }}
    end
    {%- else -%}
    {{ usual }}
    {%- endif -%}
{%- endmacro %}
