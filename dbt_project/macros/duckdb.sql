{#- All that only DuckDB says this way. A port to another engine rewrites this file and nothing else. -#}

{#- The UTC instant at which a business day begins, across changes of the store's clock. -#}
{% macro business_day_starts_at(day) -%}
    timezone('UTC', timezone('{{ var("timezone") }}', ({{ day }})::timestamp))
{%- endmacro %}

{#- One row a day, both ends included, as column `calendar_on`. -#}
{% macro days_from_to(first_day, last_day) -%}
    select unnest(generate_series({{ first_day }}, {{ last_day }}, interval 1 day))::date as calendar_on
{%- endmacro %}

{% macro days_between(earlier, later) -%}
    ({{ later }} - {{ earlier }})::integer
{%- endmacro %}

{#- 1 is Monday, 7 is Sunday. -#}
{% macro iso_weekday(day) -%}
    isodow({{ day }})::integer
{%- endmacro %}

{#- The middle price of several, always one that was really paid. -#}
{% macro middle_price(price) -%}
    quantile_disc({{ price }}, 0.5)
{%- endmacro %}

{#- A number that stands for the values within one build: sorts and compares faster than text. Never stored. -#}
{% macro fast_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

{#- The business day in which an instant falls, across changes of the store's clock. -#}
{% macro business_day_of(instant) -%}
    timezone('{{ var("timezone") }}', timezone('UTC', {{ instant }}))::date
{%- endmacro %}

{% macro seconds_between(earlier, later) -%}
    date_diff('second', {{ earlier }}, {{ later }})
{%- endmacro %}

{% macro months_between(earlier, later) -%}
    date_diff('month', {{ earlier }}, {{ later }})::integer
{%- endmacro %}

{#- The value that a share of all values does not exceed. -#}
{% macro quantile_of(value, share) -%}
    quantile_disc({{ value }}, {{ share }})
{%- endmacro %}

{#- A number that puts rows in order by an instant and then, of equal instants, in one order that is always the same. -#}
{% macro moment(instant, id) -%}
    (epoch_us({{ instant }})::hugeint * 18446744073709551616 + hash({{ id }}))
{%- endmacro %}

{#- The hour of the store's clock at an instant, 0 to 23. -#}
{% macro hour_of(instant) -%}
    hour(timezone('{{ var("timezone") }}', timezone('UTC', {{ instant }})))::integer
{%- endmacro %}

{#- The second value of a group in order, ties by another column; null where there is one alone. -#}
{% macro second_of(value, tie) -%}
    (array_agg({{ value }} order by {{ value }}, {{ tie }}))[2]
{%- endmacro %}

{#- The last row of `history` before the row at hand: the beginning of a join, whose conditions say which is before. -#}
{% macro join_the_last_before() -%}
    asof left join
{%- endmacro %}

{#- A number from 0 to 1 that belongs to an id, and with another salt another one. -#}
{% macro drawn_by(id, salt) -%}
    (('0x' || substr(md5('{{ salt }}|' || {{ id }}), 1, 13))::ubigint / 4503599627370496)
{%- endmacro %}

{#- The value of the first row that a condition holds for, also where that is null. -#}
{% macro of_the_first(value, order, condition) -%}
    arg_min_null({{ value }}, {{ order }}) filter (where {{ condition }})
{%- endmacro %}
