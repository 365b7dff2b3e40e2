-- The simulated store's files as typed rows of the latest state. Lines that do not read as their types, and rows that
-- break a rule of their contract, are left out. Its files have neither deletions nor spaces around a text.
-- `landing` and `as_of` are set. London's clock is an hour ahead of UTC from 30 March to 26 October 2025.
create schema marts;
create schema features;
create schema work;
create type event_type as enum (
    'page_view', 'search', 'product_view', 'add_to_cart', 'remove_from_cart', 'checkout_start', 'purchase'
);
create macro files(feed) as getvariable('landing') || '/' || feed || '/*.gz';
create macro day_of(path) as parse_filename(path)[:10]::date;
create macro as_of() as getvariable('as_of')::date;
create macro business_day(instant) as (
    instant + case
        when instant >= timestamp '2025-03-30 01:00' and instant < timestamp '2025-10-26 01:00' then interval 1 hour
        else interval 0 hour
    end
)::date;
create macro share_of(total, part, whole) as (
    case when whole > 0 then round(total * part / whole, 2) else 0 end
)::decimal(18, 2);
create macro pct(part, whole) as (part / nullif(whole, 0))::double;
create macro day_begins(day) as day - case
    when day > date '2025-03-30' and day <= date '2025-10-26' then interval 1 hour
    else interval 0 hour
end;

create table work.events as
select
    event_id,
    visitor_id,
    session_id,
    customer_id,
    try_cast(occurred_at as timestamp) as clicked_at,
    try_cast(event_type as event_type) as type,
    sku,
    try_cast(quantity as decimal(18, 3)) as units,
    try_cast(unit_price as decimal(18, 4)) as price,
    order_id,
    device,
    country,
    traffic_source,
    split_part(page_url, '?', 1) as page_url,
    attributes,
    business_day(clicked_at) as occurred_on,
    day_of(filename) as known_on
from read_json(files('events'), format = 'newline_delimited', filename = true, columns = {
    event_id: 'VARCHAR', visitor_id: 'VARCHAR', session_id: 'VARCHAR', customer_id: 'VARCHAR', occurred_at: 'VARCHAR',
    event_type: 'VARCHAR', sku: 'VARCHAR', quantity: 'VARCHAR', unit_price: 'VARCHAR', order_id: 'VARCHAR',
    device: 'VARCHAR', country: 'VARCHAR', traffic_source: 'VARCHAR', page_url: 'VARCHAR', attributes: 'VARCHAR'
})
where event_id is not null and visitor_id is not null and type is not null and known_on <= as_of()
    and clicked_at >= timestamp '2000-01-01' and clicked_at < known_on + 2
    and coalesce(units > 0, quantity is null) and coalesce(price >= 0, unit_price is null);

-- A click that was delivered again counts as it was delivered last.
delete from work.events where rowid in (
    select rowid from work.events
    where hash(event_id) in (select hash(event_id) from work.events group by 1 having count(*) > 1)
    qualify row_number() over (partition by event_id order by known_on desc) > 1
);

create temp table orders as
select
    order_id,
    customer_id,
    coalesce(location_id, 'main') as location_id,
    channel,
    status,
    status = 'cancelled' as is_cancelled,
    ship_country,
    currency,
    coalesce(discount_amount, 0)::decimal(18, 2) as discount_amount,
    coalesce(shipping_amount, 0)::decimal(18, 2) as shipping_amount,
    coalesce(tax_amount, 0)::decimal(18, 2) as tax_amount,
    ordered_at,
    business_day(ordered_at) as ordered_on,
    cancelled_at,
    coalesce(updated_at, ordered_at) as updated_at,
    day_of(filename) as known_on
from read_csv(files('orders'), filename = true, ignore_errors = true, columns = {
    order_id: 'VARCHAR', customer_id: 'VARCHAR', ordered_at: 'TIMESTAMP', status: 'VARCHAR', cancelled_at: 'TIMESTAMP',
    location_id: 'VARCHAR', channel: 'VARCHAR', currency: 'VARCHAR', discount_amount: 'DECIMAL(18, 2)',
    shipping_amount: 'DECIMAL(18, 2)', tax_amount: 'DECIMAL(18, 2)', ship_country: 'VARCHAR', email: 'VARCHAR',
    updated_at: 'TIMESTAMP'
}) as read
where order_id is not null and ordered_at is not null and currency is not null and known_on <= as_of()
    and status in ('placed', 'paid', 'fulfilled', 'cancelled')
qualify row_number() over (
    partition by order_id order by coalesce(read.updated_at, ordered_at) desc, day_of(filename) desc
) = 1;

create temp table order_lines as
select
    order_line_id,
    order_id,
    sku,
    quantity as units_ordered,
    least(coalesce(cancelled_quantity, 0), quantity)::decimal(18, 3) as units_cancelled,
    unit_price,
    coalesce(discount_amount, 0)::decimal(18, 2) as discount_amount,
    day_of(filename) as known_on
from read_csv(files('order_lines'), filename = true, ignore_errors = true, columns = {
    order_line_id: 'VARCHAR', order_id: 'VARCHAR', sku: 'VARCHAR', quantity: 'DECIMAL(18, 3)',
    unit_price: 'DECIMAL(18, 4)', discount_amount: 'DECIMAL(18, 2)', cancelled_quantity: 'DECIMAL(18, 3)',
    updated_at: 'TIMESTAMP'
})
where order_line_id is not null and order_id is not null and sku is not null and known_on <= as_of()
    and quantity > 0 and unit_price >= 0 and coalesce(discount_amount, 0) >= 0 and coalesce(cancelled_quantity, 0) >= 0
qualify row_number() over (
    partition by order_line_id
    order by coalesce(updated_at, day_of(filename) + interval 12 hour) desc, day_of(filename) desc
) = 1;

create temp table returns as
select
    return_id,
    order_line_id,
    status,
    reason,
    quantity as units,
    refund_amount,
    requested_at,
    business_day(requested_at) as requested_on,
    received_at,
    day_of(filename) as known_on
from read_csv(files('returns'), filename = true, ignore_errors = true, columns = {
    return_id: 'VARCHAR', order_line_id: 'VARCHAR', quantity: 'DECIMAL(18, 3)', reason: 'VARCHAR',
    requested_at: 'TIMESTAMP', received_at: 'TIMESTAMP', refund_amount: 'DECIMAL(18, 2)', status: 'VARCHAR'
})
where return_id is not null and order_line_id is not null and quantity > 0 and requested_at is not null
    and status in ('requested', 'received', 'refunded', 'rejected') and known_on <= as_of()
qualify row_number() over (partition by return_id order by day_of(filename) desc) = 1;

create temp table customers as
select
    customer_id,
    country,
    region,
    coalesce(marketing_consent, false) as has_marketing_consent,
    created_at,
    coalesce(updated_at, created_at) as updated_at
from read_csv(files('customers'), filename = true, ignore_errors = true, columns = {
    customer_id: 'VARCHAR', created_at: 'TIMESTAMP', country: 'VARCHAR', region: 'VARCHAR', email: 'VARCHAR',
    phone: 'VARCHAR', marketing_consent: 'BOOLEAN', attributes: 'VARCHAR', updated_at: 'TIMESTAMP'
}) as read
where customer_id is not null and day_of(filename) <= as_of()
qualify row_number() over (
    partition by customer_id order by coalesce(read.updated_at, created_at) desc nulls last, day_of(filename) desc
) = 1;

create temp table shipments as
select * exclude (filename), day_of(filename) as known_on
from read_csv(files('shipments'), filename = true, ignore_errors = true, columns = {
    shipment_id: 'VARCHAR', order_id: 'VARCHAR', carrier: 'VARCHAR', service: 'VARCHAR', shipped_at: 'TIMESTAMP',
    promised_at: 'TIMESTAMP', delivered_at: 'TIMESTAMP', weight_kg: 'DOUBLE', distance_km: 'DOUBLE'
})
where shipment_id is not null and order_id is not null and carrier is not null and known_on <= as_of()
    and coalesce(weight_kg, 0) >= 0 and coalesce(distance_km, 0) >= 0
qualify row_number() over (partition by shipment_id order by day_of(filename) desc) = 1;

create table marts.fct_inventory_daily as
select
    sku,
    coalesce(location_id, 'main') as location_id,
    day_of(filename) as stock_on,
    on_hand as units_on_hand,
    on_order as units_on_order
from read_csv(files('inventory'), filename = true, ignore_errors = true, columns = {
    sku: 'VARCHAR', location_id: 'VARCHAR', on_hand: 'DECIMAL(18, 3)', on_order: 'DECIMAL(18, 3)'
})
where sku is not null and on_hand >= 0 and on_order >= 0 and stock_on <= as_of();

create temp table promotions as
select
    promotion_id,
    sku,
    kind,
    coalesce(is_cancelled, false) as is_cancelled,
    discount_pct,
    starts_on,
    ends_on,
    coalesce(announced_on, min(day_of(filename)) over (partition by promotion_id, sku)) as announced_on,
    day_of(filename) as known_on
from read_csv(files('promotions'), filename = true, ignore_errors = true, columns = {
    promotion_id: 'VARCHAR', sku: 'VARCHAR', kind: 'VARCHAR', starts_on: 'DATE', ends_on: 'DATE',
    discount_pct: 'DOUBLE', announced_on: 'DATE', is_cancelled: 'BOOLEAN'
})
where promotion_id is not null and sku is not null and starts_on is not null and ends_on is not null
    and coalesce(discount_pct, 0) between 0 and 1 and known_on <= as_of()
qualify row_number() over (partition by promotion_id, sku order by day_of(filename) desc) = 1;

create temp table calendar as
select location_id, is_open, event, date as calendar_on
from read_csv(files('calendar'), filename = true, ignore_errors = true, columns = {
    date: 'DATE', location_id: 'VARCHAR', is_open: 'BOOLEAN', event: 'VARCHAR'
})
where date is not null and is_open is not null and day_of(filename) <= as_of()
qualify row_number() over (partition by date, location_id order by day_of(filename) desc) = 1;

-- A row for each day on which the catalog says something new of a SKU.
create temp table product_changes as
select * exclude (filename, state), day_of(filename) as snapshot_on
from (
    select *, hash(*columns(* exclude (sku, filename))) as state
    from read_csv(files('products'), filename = true, ignore_errors = true, columns = {
        sku: 'VARCHAR', title: 'VARCHAR', style_id: 'VARCHAR', size: 'VARCHAR', color: 'VARCHAR', category: 'VARCHAR',
        brand: 'VARCHAR', supplier: 'VARCHAR', list_price: 'DECIMAL(18, 4)', unit_cost: 'DECIMAL(18, 4)',
        lead_time_days: 'INTEGER', pack_size: 'DECIMAL(18, 3)', min_order_quantity: 'DECIMAL(18, 3)',
        unit_of_measure: 'VARCHAR', launched_on: 'DATE', is_active: 'BOOLEAN', attributes: 'VARCHAR',
        image_url: 'VARCHAR'
    })
    where sku is not null and title is not null and is_active is not null and day_of(filename) <= as_of()
        and coalesce(list_price, 0) >= 0 and coalesce(unit_cost, 0) >= 0 and coalesce(lead_time_days, 0) >= 0
        and coalesce(pack_size, 1) > 0 and coalesce(min_order_quantity, 0) >= 0
)
qualify state is distinct from lag(state) over (partition by sku order by day_of(filename));
