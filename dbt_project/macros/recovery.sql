{#- What speaks against a message tonight, each rule stated once. They stand in exp_cart_recovery. -#}

{#- Who was written to about a cart: as the e-mail tool says or, where it says nothing, as the nights before advised. -#}
{% macro contacts_with_customers() -%}
    {%- if 'cart_messages' in var('feeds') -%}
    select customer_id, {{ business_day_of('sent_at') }} as contacted_on
    from {{ ref('feat_cart_message') }}
    where sent_at is not null and customer_id is not null
    {%- else -%}
    select customer_id, as_of as contacted_on
    from {{ source('decisions', 'cart_assignments') }}
    where as_of < {{ as_of() }} and experiment_group = 'treatment' and customer_id is not null
    {%- endif %}
{%- endmacro %}

{#- An order of the customer, on whatever device, or a purchase click of the visitor after the cart's last action. -#}
{% macro has_bought_since(carts) -%}
    exists (
        select 1 from {{ ref('fct_orders') }} as orders
        where orders.customer_id = {{ carts }}.customer_id and orders.ordered_at > {{ carts }}.last_action_at
    )
    or exists (
        select 1 from {{ ref('fct_events') }} as clicks
        where clicks.occurred_on >= {{ add_days(as_of(), -var('cart_recovery')['nights']) }}
            and clicks.event_type = 'purchase'
            and clicks.visitor_id = {{ carts }}.visitor_id
            and clicks.occurred_at > {{ carts }}.last_action_at
    )
{%- endmacro %}

{#- A cart is given to a group once: by an earlier night, or by the e-mail tool itself. -#}
{% macro was_decided_before(carts) -%}
    exists (
        select 1 from {{ source('decisions', 'cart_assignments') }} as earlier
        where earlier.cart_id = {{ carts }}.cart_key and earlier.as_of < {{ as_of() }}
    )
    or exists (
        select 1 from {{ ref('feat_cart_message') }} as messages where messages.cart_key = {{ carts }}.cart_key
    )
{%- endmacro %}
