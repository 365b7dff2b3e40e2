with carts as (

    select
        predictions.*,
        carts.started_at,
        carts.last_action_at,
        carts.decision_at,
        carts.cart_amount,
        carts.in_stock_pct,
        carts.is_bot,
        carts.store_margin_amount - {{ cart_recovery('discount_pct') }} * carts.cart_amount as expected_margin,
        coalesce(
            predictions.message_effect,
            {{ cart_recovery('assumed_effect') }} * predictions.purchase_probability * (1 - predictions.purchase_probability)
        ) as effect
    from {{ source('predictions', 'abandonment') }} as predictions
    inner join {{ ref('feat_cart') }} as carts
        on carts.cart_key = predictions.cart_key and carts.moment = 'night' and carts.decided_on = {{ as_of() }}

),

-- What the message wins, less what it costs; a discount is taken as well by those who would have bought anyway.
priced as (

    select
        *,
        effect * expected_margin
        - purchase_probability * {{ cart_recovery('discount_pct') }} * cart_amount
        - {{ cart_recovery('message_cost') }} as expected_gain
    from carts

),

contacts as (

    {{ contacts_with_customers() }}

),

contacted as (

    select
        customer_id,
        count(*) filter (where contacted_on > {{ add_days(as_of(), -30) }}) as times,
        max(contacted_on) as last_on
    from contacts
    group by customer_id

),

judged as (

    select
        priced.*,
        case
            when priced.is_bot then 'bot'
            when priced.customer_id is null or not coalesce(customers.has_email, false) then 'address_unknown'
            when not customers.has_marketing_consent then 'no_consent'
            when {{ has_bought_since('priced') }} then 'bought_since'
            when {{ was_decided_before('priced') }} then 'decided_before'
            when contacted.last_on > {{ add_days(as_of(), -var('cart_recovery')['quiet_days']) }} then 'messaged_lately'
            when contacted.times >= {{ cart_recovery('most_in_30_days') }} then 'frequency_cap'
            when priced.in_stock_pct = 0 then 'out_of_stock'
            when priced.expected_margin <= 0 then 'below_cost'
            when priced.expected_gain <= 0 then 'not_worth_it'
        end as reason_against
    from priced
    left join {{ ref('dim_customer') }} as customers on customers.customer_id = priced.customer_id
    left join contacted on contacted.customer_id = priced.customer_id

),

ranked as (

    select
        *,
        row_number() over (
            partition by reason_against is null, customer_id order by expected_gain desc, cart_key
        ) as place_of_customer
    from judged

),

chosen as (

    select
        *,
        case
            when reason_against is not null then reason_against
            when place_of_customer > 1 then 'another_cart'
            when {{ cart_recovery('most_in_a_night') }} < row_number() over (
                partition by reason_against is null and place_of_customer = 1 order by expected_gain desc, cart_key
            ) then 'over_budget'
        end as against
    from ranked

),

drawn as (

    select
        *,
        case
            when against is not null then null
            when {{ drawn_by('cart_key', var('cart_recovery')['salt']) }} < {{ cart_recovery('holdout_pct') }} then 'holdout'
            else 'treatment'
        end as experiment_group
    from chosen

)

select
    {{ as_of() }} as as_of,
    cart_key as cart_id,
    visitor_id,
    customer_id::varchar as customer_id,
    started_at,
    last_action_at,
    cart_amount::decimal(18, 4) as cart_value,
    '{{ var("currency") }}' as currency,
    round(purchase_probability, 6)::double as purchase_probability,
    round(effect, 6)::double as message_effect,
    effect_method,
    expected_margin::decimal(18, 4) as expected_margin,
    expected_gain::decimal(18, 4) as expected_gain,
    case when experiment_group = 'treatment' then 'message' else 'none' end as recommended_action,
    coalesce(against, case when experiment_group = 'holdout' then 'holdout' end) as suppressed_reason,
    experiment_group,
    (case when experiment_group is not null then 1 - {{ cart_recovery('holdout_pct') }} end)::double as propensity,
    reason_1::varchar as reason_1,
    reason_2::varchar as reason_2,
    reason_3::varchar as reason_3,
    method,
    model_version,
    run_id
from drawn
