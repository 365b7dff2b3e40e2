with orders as (

    select
        customer_id,
        count(*) filter (where units > 0)::integer as order_count,
        min(ordered_on) filter (where units > 0) as first_ordered_on,
        max(ordered_on) filter (where units > 0) as last_ordered_on
    from {{ ref('fct_orders') }}
    where customer_id is not null
    group by customer_id

)

select
    customer_id,
    customers.country,
    customers.region,
    customers.created_at,
    customers.updated_at,
    coalesce(customers.has_marketing_consent, false) as has_marketing_consent,
    customers.customer_id is not null as has_profile,
    customers.email_hash is not null as has_email,
    coalesce(orders.order_count, 0) as order_count,
    orders.first_ordered_on,
    orders.last_ordered_on
from {{ ref('stg_customers') }} as customers
full outer join orders using (customer_id)
