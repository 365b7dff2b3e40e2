-- ROWS frames are trailing days only on a grid that holds every day of a series up to as_of.
select sku, location_id, min(sold_on) as first_on, max(sold_on) as last_on, count(*) as row_count
from {{ ref('feat_sku_day') }}
group by sku, location_id
having max(sold_on) != {{ as_of() }}
    or count(*) != {{ days_between('min(sold_on)', 'max(sold_on)') }} + 1
