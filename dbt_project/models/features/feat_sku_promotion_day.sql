select
    sku,
    promoted_on,
    announced_on,
    max(discount_pct) as discount_pct
from {{ ref('fct_promotion_days') }}
where announced_on <= {{ as_of() }}
group by sku, promoted_on, announced_on
