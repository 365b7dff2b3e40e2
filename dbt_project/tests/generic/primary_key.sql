{#-
    Unique and not null in one pass over the columns. `touched` names a column and what is touched of it: a build that
    goes by changes looks at the rows that it made, since those before were looked at when they were made.
-#}
{% test primary_key(model, columns, touched_column=none, touched_items=none) %}
select {{ columns | join(', ') }}, count(*) as row_count
from {{ model }}
{% if touched_column and changes() != {} -%} where {{ touched_column }} in ({{ touched(touched_items) }}) {%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1 {% for column in columns %} or {{ column }} is null {% endfor %}
{% endtest %}
