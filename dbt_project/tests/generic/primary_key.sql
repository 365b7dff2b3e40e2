{#-
    Unique and not null in one pass over the columns. `touched` is a condition for builds that go by changes: rows that
    none of them made were looked at by the one that did.
-#}
{% test primary_key(model, columns, touched='true') %}
select {{ columns | join(', ') }}, count(*) as row_count
from {{ model }}
where {{ touched if var('changes') != {} else 'true' }}
group by {{ columns | join(', ') }}
having count(*) > 1 {% for column in columns %} or {{ column }} is null {% endfor %}
{% endtest %}
