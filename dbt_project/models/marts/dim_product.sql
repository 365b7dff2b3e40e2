with changes as (

    select * from {{ ref('int_product_changes') }}

),

bounds as (

    select
        (select min(snapshot_on) from changes) as first_snapshot_on,
        (select min(calendar_on) from {{ ref('dim_date') }}) as first_data_on

),

versions as (

    select
        changes.*,
        row_number() over by_sku as version_number,
        lead(changes.snapshot_on) over by_sku as next_on,
        changes.snapshot_on = bounds.first_snapshot_on
            and bounds.first_data_on < bounds.first_snapshot_on as is_backdated,
        bounds.first_data_on
    from changes
    cross join bounds
    window by_sku as (partition by changes.sku order by changes.snapshot_on)

)

select
    md5(concat_ws('|', sku, snapshot_on::varchar)) as product_key,
    sku,
    style_id,
    title,
    size,
    color,
    category,
    category_1,
    category_2,
    category_3,
    brand,
    supplier,
    unit_of_measure,
    list_price,
    unit_cost,
    lead_time_days,
    pack_size,
    min_order_quantity,
    attributes,
    image_url,
    launched_on,
    is_active,
    version_number::integer as version_number,
    snapshot_on as first_seen_on,
    case when is_backdated then first_data_on else snapshot_on end as valid_from,
    coalesce({{ add_days('next_on', -1) }}, date '9999-12-31') as valid_to,
    next_on is null as is_current,
    is_backdated
from versions
