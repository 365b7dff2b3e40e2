{#- Schemas bear the layer's plain name: every home has its own warehouse file, so no prefix keeps targets apart. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
