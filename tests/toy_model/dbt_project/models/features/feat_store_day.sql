select
    sold_on,
    sum(units)::decimal(18, 3) as units
from {{ ref('feat_sku_day') }}
group by sold_on
