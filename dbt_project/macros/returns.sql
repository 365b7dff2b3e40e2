{#- What the features of a line know of returns: counts as of its order, by changes; see changes.sql. -#}

{#- What a history is kept of, and the column of `lines` in feat_order_line.sql that tells it. -#}
{% macro history_levels() -%}
    {{ return({
        'sku': 'sku', 'style': 'style_id', 'category': 'category', 'brand': 'brand', 'customer': 'customer_id',
        'store': 'store'
    }) }}
{%- endmacro %}

{#- Ages at which a line has shown more of its returns: a sixth, a third and two thirds of the return window. -#}
{% macro history_ages() -%}
    {%- set days = var('return_window_days') -%}
    {{ return({'6th': (days + 5) // 6, '3rd': (days + 2) // 3, '2_3rds': (2 * days + 2) // 3}) }}
{%- endmacro %}

{#- Causes that are told apart, by words in which customers and shops put them; the first that is found. -#}
{% macro return_cause(reason) -%}
    case
        when {{ reason }} is null then 'none'
        when regexp_matches(lower({{ reason }}), '(two|several|multiple|both|other) (sizes|colou?rs|items)|bracket') then 'choice'
        when regexp_matches(lower({{ reason }}), 'fit|size|too (small|big|large|short|long|tight|wide|narrow)|tight|loose') then 'fit'
        when regexp_matches(lower({{ reason }}), 'late|delay|took too long|not arrive') then 'late'
        when regexp_matches(lower({{ reason }}), 'descri|defect|damag|broke|fault|quality|wrong|missing|not as|picture') then 'quality'
        when regexp_matches(lower({{ reason }}), 'mind|no longer|unwanted|not want|not like|dislike|regret|cheaper') then 'mind'
        else 'other'
    end
{%- endmacro %}

{#- The business day at whose end a return was both asked for and known. -#}
{% macro return_known_on(returns) -%}
    greatest({{ returns }}.requested_on, {{ returns }}.first_known_on)
{%- endmacro %}

{#- What histories are made of, by the first business day whose orders know it; of touched orders and returns. -#}
{% macro touched_history(lines, returns) -%}
    select
        order_line_id as fact_id,
        {{ fast_hash(['order_id', 'sku', 'product_key', 'customer_id', 'units_ordered', 'unit_price', 'exchange_rate']) }} as fact,
        {{ add_days('ordered_on', 1) }} as known_from
    from {{ lines }}
    where not is_orphan and order_id in ({{ touched('orders') }})
    union all
    select return_id, {{ fast_hash(['order_line_id', 'units', 'reason']) }}, {{ add_days(return_known_on('returns'), 1) }}
    from {{ returns }} as returns
    where return_id in ({{ touched('returns') }})
{%- endmacro %}

{#- The first business day whose orders may know another history than they did; null where there is none. -#}
{% macro history_from() -%}
    {%- set query -%}
        with held as (

            select * from touched.history_before

        ),

        found as (

            {{ touched_history(ref('fct_order_lines'), ref('stg_returns')) }}

        )

        select least(min(known_from), {{ catalog_from() }}) from (
            (select * from held except select * from found)
            union all
            (select * from found except select * from held)
        ) as changed
    {%- endset -%}
    {%- if execute -%} date '{{ run_query(query).columns[0].values()[0] }}' {%- endif -%}
{%- endmacro %}

{#- Lines of touched orders, of orders whose click is touched, and those that know another history. All, after a build that broke off. -#}
{% macro is_touched_line_feature(lines) -%}
    {%- if by_changes() and not changes()['is_resumed'] -%}
    (
        {{ lines }}.order_id in ({{ touched('orders') }})
        or {{ lines }}.order_id in (select order_id from touched.order_devices)
        or {{ lines }}.order_id in (
            select order_id from {{ ref('int_order_devices') }} where {{ is_touched('occurred_on', 'event_dates') }}
        )
        or {{ lines }}.ordered_on >= {{ history_from() }}
    )
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{% macro delete_touched_line_features() -%}
    {% if by_changes() %}delete from {{ this }} as held where {{ is_touched_line_feature('held') }}{% endif %}
{%- endmacro %}

{#- The sums of a history: lines, those that have reached each age, and those sent back, in all and by cause. -#}
{% macro history_sums(level) -%}
    {%- set sums = ['lines'] -%}
    {%- for age in history_ages() -%} {%- do sums.append('lines_' ~ age) -%} {%- endfor -%}
    {%- do sums.append('returned') -%}
    {%- for cause in history_causes() -%} {%- do sums.append('returned_' ~ cause) -%} {%- endfor -%}
    {{ return(sums + {'customer': ['orders'], 'sku': ['paid_price']}.get(level, [])) }}
{%- endmacro %}

{#-
    Running sums of one level: one row for each of its keys and days on which an order asks for it. A line counts from
    the day after its order, and once more at each age; a return from the day after it was known. The days of orders and
    of what they know meet by equality. By changes all that was known on the first day asked for counts as of that day.
-#}
{% macro history_of(level, column) -%}
    {%- set sums = history_sums(level) -%}
    {%- set own = {'customer': 'count(distinct order_id)', 'sku': 'sum(store_unit_price)'}.get(level) -%}
    {%- set lines_by_day -%}
        select {{ fast_hash([column]) }} as key, ordered_on, count(*) as lines {%- if own %}, {{ own }} as own {%- endif %}
        from known_lines
        where {{ column }} is not null and {{ column }} in (select {{ column }} from asked)
        group by key, ordered_on
    {%- endset -%}
    with line_days as (

        {{ lines_by_day }}

    ),

    events as (

        select key, {{ asked_from(add_days('ordered_on', 1)) }} as known_from, lines {%- if own %}, own as {{ sums[-1] }} {%- endif %} from line_days
        {%- for age, days in history_ages().items() %}
        union all by name
        select key, {{ asked_from(add_days('ordered_on', days + 1)) }} as known_from, lines as lines_{{ age }} from line_days
        {%- endfor %}
        union all by name
        select
            {{ fast_hash([column]) }} as key,
            {{ asked_from(add_days('known_on', 1)) }} as known_from,
            sum(share) as returned
            {%- for cause in history_causes() %},
            sum(share) filter (where cause = '{{ cause }}') as returned_{{ cause }}
            {%- endfor %}
        from known_returns
        where {{ column }} is not null and {{ column }} in (select {{ column }} from asked)
        group by key, known_from
        union all by name
        select {{ fast_hash([column]) }} as key, ordered_on as known_from, true as is_asked
        from asked
        where {{ column }} is not null
        group by key, known_from

    ),

    days as (

        select key, known_from, bool_or(is_asked) as is_asked
            {%- for sum in sums %}, coalesce(sum({{ sum }}), 0) as {{ sum }} {%- endfor %}
        from events
        group by key, known_from

    ),

    running as (

        select key, known_from, is_asked
            {%- for sum in sums %}, sum({{ sum }}) over so_far as {{ sum }} {%- endfor %}
        from days
        window so_far as (partition by key order by known_from rows unbounded preceding)

    )

    select * from running where is_asked
{%- endmacro %}

{#- A day, or the first that is asked for where this is later. -#}
{% macro asked_from(day) -%}
    {%- if by_changes() -%} greatest({{ day }}, (select min(ordered_on) from asked)) {%- else -%} {{ day }} {%- endif -%}
{%- endmacro %}

{#- The causes of returns that histories tell apart. -#}
{% macro history_causes() -%} {{ return(['fit', 'quality', 'mind']) }} {%- endmacro %}

{#- Cost of a line's return: both ways of the parcel, and for each unit that comes back handling and lost value. -#}
{% macro return_cost(costs, units_back, unit_value) -%}
    {{ costs }}.shipping_out_cost + {{ costs }}.shipping_back_cost
    + {{ units_back }} * ({{ costs }}.handling_cost + {{ costs }}.value_loss_pct * {{ unit_value }})
{%- endmacro %}

{#- The row of the seed that the longest path of a category finds. -#}
{% macro return_costs_of(categories) -%}
    select categories.category, costs.* exclude (category)
    from {{ categories }} as categories
    inner join {{ ref('return_costs') }} as costs
        on costs.category = '*'
        or categories.category = costs.category
        or starts_with(categories.category, costs.category || ' > ')
    qualify row_number() over (
        partition by categories.category order by case when costs.category = '*' then 0 else length(costs.category) end desc
    ) = 1
{%- endmacro %}
