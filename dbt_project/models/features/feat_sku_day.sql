{{ config(
    materialized='incremental',
    pre_hook=["{{ note_touched_series() }}", "{{ delete_touched_features() }}"]
) }}
-- Read where a build goes by changes alone, which dbt cannot see:
-- depends_on: {{ ref('int_sku_series') }}, {{ ref('stg_calendar') }}, {{ ref('fct_product_sales_daily') }}
with days as (

    select * from {{ ref('int_sku_days') }} as days
    {% if by_changes() %}where {{ is_touched_feature('days') }}{% endif %}

),

priced as (

    select
        *,
        last_value(usual_unit_price ignore nulls) over (
            partition by series_id order by sold_on rows unbounded preceding
        ) as paid_unit_price
    from days

)
{% if by_changes() %},

{{ continued_from_days_before('priced') }}
{% endif %}
select
    priced.sku,
    priced.location_id,
    priced.sold_on,
    priced.decision_at,
    priced.units,
    priced.is_observed,
    priced.is_sold_out,
    coalesce(products.list_price, priced.paid_unit_price) as unit_price,
    products.category_1,
    products.category_2,
    products.is_active,
    products.brand,
    priced.age_days
from {{ 'continued' if by_changes() else 'priced' }} as priced
left join {{ ref('int_product_days') }} as product_days
    on product_days.sku = priced.sku and product_days.calendar_on = priced.sold_on
left join {{ ref('dim_product') }} as products on products.product_key = product_days.product_key
