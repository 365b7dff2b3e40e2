{#- How the daily features go by changes: see changes.sql. A price holds until the next, so that what is touched is all from a day on. -#}

{#- The first day whose features may be others: of changed sales and stock, catalog and calendar. -#}
{% macro features_from() -%}
    {%- set query -%}
        select least(
            {{ catalog_from() }},
            (select min(sold_on) from touched.sales_dates),
            (
                select min(calendar_on) from (
                    (select calendar_on, location_id, is_open from {{ ref('stg_calendar') }}
                    except select * from touched.calendar_before)
                    union all
                    (select * from touched.calendar_before
                    except select calendar_on, location_id, is_open from {{ ref('stg_calendar') }})
                ) as changed
            )
        )
    {%- endset -%}
    {%- if execute -%} date '{{ run_query(query).columns[0].values()[0] }}' {%- endif -%}
{%- endmacro %}

{#- Series that begin on another day than before, are new or gone, or whose past the catalog tells for the first time. -#}
{% macro note_touched_series() -%}
    {% if by_changes() -%}
    create or replace table touched.series as
    with held as (

        select sku, location_id, min(sold_on - age_days) as begins_on from {{ this }} group by sku, location_id

    ),

    found as (

        select sku, location_id, begins_on from {{ ref('int_sku_series') }} where begins_on is not null

    )

    select sku, location_id
    from held
    full outer join found using (sku, location_id)
    where held.begins_on is distinct from found.begins_on or sku in ({{ touched('skus') }})
    {%- endif %}
{%- endmacro %}

{% macro is_touched_feature(days) -%}
    (
        {{ days }}.sold_on >= {{ features_from() }}
        or ({{ days }}.sku, {{ days }}.location_id) in (select (sku, location_id) from touched.series)
    )
{%- endmacro %}

{% macro delete_touched_features() -%}
    {% if by_changes() %}delete from {{ this }} as held where {{ is_touched_feature('held') }}{% endif %}
{%- endmacro %}

{#- The last price paid where it lies before the days that are made anew. -#}
{% macro continued_from_days_before(priced) -%}
before as (

    select
        sales.sku,
        sales.location_id,
        max_by(sales.usual_unit_price, sales.sold_on) filter (where sales.usual_unit_price is not null) as paid_unit_price
    from {{ ref('fct_product_sales_daily') }} as sales
    inner join (
        select sku, location_id, min(sold_on) as seen_from, min(sold_on - age_days) as begins_on
        from {{ priced }}
        group by sku, location_id
    ) as series on series.sku = sales.sku and series.location_id = sales.location_id
    where sales.sold_on < series.seen_from and sales.sold_on >= series.begins_on
    group by sales.sku, sales.location_id

),

continued as (

    select
        {{ priced }}.* replace (
            coalesce({{ priced }}.paid_unit_price, before.paid_unit_price) as paid_unit_price
        )
    from {{ priced }}
    left join before on before.sku = {{ priced }}.sku and before.location_id = {{ priced }}.location_id

)
{%- endmacro %}
