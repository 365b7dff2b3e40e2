-- Units sold and sent back, refunds and lost margin are the same by SKU and by month; units sent back are those of
-- the returns themselves, by reason too.
with facts as (

    select coalesce(sum(units_returned), 0) as units_returned, coalesce(sum(store_refund_amount), 0) as store_refund_amount
    from {{ ref('fct_returns') }}
    where is_matched and not is_rejected

),

lines as (select coalesce(sum(units), 0) as units from {{ ref('fct_order_lines') }} where not is_orphan),

by_sku as (

    select
        coalesce(sum(units), 0) as units,
        coalesce(sum(units_returned), 0) as units_returned,
        coalesce(sum(store_refund_amount), 0) as store_refund_amount,
        coalesce(sum(margin_lost_amount), 0) as margin_lost_amount
    from {{ ref('mart_returns_sku') }}

),

by_month as (

    select
        coalesce(sum(units), 0) as units,
        coalesce(sum(units_returned), 0) as units_returned,
        coalesce(sum(store_refund_amount), 0) as store_refund_amount,
        coalesce(sum(margin_lost_amount), 0) as margin_lost_amount
    from {{ ref('mart_returns_monthly') }}

),

by_reason as (

    select coalesce(sum(units_returned), 0) as units_returned, coalesce(sum(store_refund_amount), 0) as store_refund_amount
    from {{ ref('mart_returns_reasons') }}

)

select lines.units, facts.*, by_sku.*, by_month.*, by_reason.*
from facts
cross join lines
cross join by_sku
cross join by_month
cross join by_reason
where lines.units != by_sku.units
    or lines.units != by_month.units
    or facts.units_returned != by_sku.units_returned
    or facts.units_returned != by_month.units_returned
    or facts.units_returned != by_reason.units_returned
    or facts.store_refund_amount != by_sku.store_refund_amount
    or facts.store_refund_amount != by_month.store_refund_amount
    or facts.store_refund_amount != by_reason.store_refund_amount
    or by_sku.margin_lost_amount != by_month.margin_lost_amount
