-- No sale falls beside the grid.
with sales as (

    select coalesce(sum(units), 0) as units from {{ ref('fct_product_sales_daily') }} where sold_on <= {{ as_of() }}

),

features as (select coalesce(sum(units), 0) as units from {{ ref('feat_sku_day') }})

select sales.units, features.units as feature_units
from sales
cross join features
where sales.units != features.units
