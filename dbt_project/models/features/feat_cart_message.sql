{{ config(materialized='incremental', pre_hook="{{ delete_touched_messages() }}") }}
-- Read where a build goes by changes alone, which dbt cannot see:
-- depends_on: {{ ref('stg_orders') }}
with messages as (

    select *, {{ business_day_of('assigned_at') }} as assigned_on
    from {{ ref('stg_cart_messages') }}

),

touched_messages as (

    select * from messages where {{ is_touched_message() }}

),

-- A tool that goes by the export names the cart; another one means the visitor's last.
of_visitors as (

    select messages.*, carts.cart_key, carts.customer_id as cart_customer_id
    from touched_messages as messages
    {{ join_the_last_before() }} {{ ref('fct_carts') }} as carts
        on carts.visitor_id = messages.visitor_id and carts.started_at < messages.assigned_at

)

select
    messages.cart_id,
    coalesce(named.cart_key, messages.cart_key) as cart_key,
    messages.visitor_id,
    coalesce(messages.customer_id, named.customer_id, messages.cart_customer_id) as customer_id,
    messages.experiment_group,
    messages.propensity,
    messages.assigned_at,
    messages.assigned_on,
    messages.sent_at
from of_visitors as messages
left join {{ ref('fct_carts') }} as named on named.cart_key = messages.cart_id
where coalesce(named.cart_key, messages.cart_key) is not null
