-- A SKU's versions follow each other day by day, and the last one is current.
select sku, valid_from, valid_to, is_current
from {{ ref('dim_product') }}
qualify is_current != (lead(valid_from) over (partition by sku order by valid_from) is null)
    or {{ add_days('valid_to', 1) }} != lead(valid_from) over (partition by sku order by valid_from)
