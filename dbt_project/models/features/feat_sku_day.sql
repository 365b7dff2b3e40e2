{{ config(
    materialized='incremental',
    pre_hook=["{{ note_touched_series() }}", "{{ delete_touched_features() }}"]
) }}
-- Read where a build goes by changes alone, which dbt cannot see:
-- depends_on: {{ ref('int_sku_series') }}, {{ ref('stg_calendar') }}, {{ ref('fct_product_sales_daily') }}
with days as (

    select
        *,
        (case when is_observed then units else 0 end)::decimal(18, 3) as observed_units,
        is_observed::integer as observed_day,
        (units > 0)::integer as sale_day
    from ({{ days_of_touched_features() }}) as days

),

-- ROWS frames count days only because the grid has no gaps.
windowed as (

    select
        sku,
        location_id,
        sold_on,
        decision_at,
        age_days,
        units,
        is_observed,
        last_value(usual_unit_price ignore nulls) over so_far as paid_unit_price,
        sum(observed_units) over days_7 as units_7d,
        sum(observed_units) over days_28 as units_28d,
        sum(observed_units) over days_91 as units_91d,
        sum(observed_day) over days_7 as observed_days_7d,
        sum(observed_day) over days_28 as observed_days_28d,
        sum(observed_day) over days_91 as observed_days_91d,
        sum(sale_day) over days_28 as sale_days_28d,
        sum(sale_day) over days_91 as sale_days_91d,
        max(case when units > 0 then sold_on end) over so_far as last_sold_on,
        sum(observed_units) over weekdays_8 as same_weekday_units_8w,
        sum(observed_day) over weekdays_8 as same_weekday_days_8w
    from days
    window
        so_far as (partition by series_id order by sold_on rows unbounded preceding),
        days_7 as (partition by series_id order by sold_on rows 6 preceding),
        days_28 as (partition by series_id order by sold_on rows 27 preceding),
        days_91 as (partition by series_id order by sold_on rows 90 preceding),
        weekdays_8 as (partition by series_id, {{ iso_weekday('sold_on') }} order by sold_on rows 7 preceding)

)
{% if by_changes() %},

{{ continued_from_days_before('windowed') }}
{% endif %}
select
    windowed.sku,
    windowed.location_id,
    windowed.sold_on,
    windowed.decision_at,
    windowed.units,
    windowed.is_observed,
    coalesce(products.list_price, windowed.paid_unit_price) as unit_price,
    products.category_1,
    products.category_2,
    products.brand,
    windowed.age_days,
    windowed.units_7d::decimal(18, 3) as units_7d,
    windowed.units_28d::decimal(18, 3) as units_28d,
    windowed.units_91d::decimal(18, 3) as units_91d,
    windowed.observed_days_7d::integer as observed_days_7d,
    windowed.observed_days_28d::integer as observed_days_28d,
    windowed.observed_days_91d::integer as observed_days_91d,
    windowed.sale_days_28d::integer as sale_days_28d,
    windowed.sale_days_91d::integer as sale_days_91d,
    {{ days_between('windowed.last_sold_on', 'windowed.sold_on') }} as days_since_sale,
    windowed.same_weekday_units_8w::decimal(18, 3) as same_weekday_units_8w,
    windowed.same_weekday_days_8w::integer as same_weekday_days_8w
from {{ 'continued' if by_changes() else 'windowed' }} as windowed
left join {{ ref('int_product_days') }} as product_days
    on product_days.sku = windowed.sku and product_days.calendar_on = windowed.sold_on
left join {{ ref('dim_product') }} as products on products.product_key = product_days.product_key
{% if by_changes() %}where {{ is_touched_feature('windowed') }}{% endif %}
