{#- Level n of a category path such as 'Shoes > Boots > Winter'; null where the path is shorter. -#}
{% macro category_level(path, level) -%}
    nullif(trim(split_part({{ path }}, '>', {{ level }})), '')
{%- endmacro %}
