{#- Rules that tell one kind of row from another, each stated here alone. -#}

{#- What the closing stock says of a day's sales. A zero is one of buyers only where something was left to buy. -#}
{% macro stock_status(units_on_hand, units_sold) -%}
    case
        when {{ units_on_hand }} is null then 'unknown'
        when {{ units_on_hand }} > 0 then 'in_stock'
        when {{ units_sold }} > 0 then 'sold_out'
        else 'out_of_stock'
    end
{%- endmacro %}

{#- A session that only looks, at a pace no person keeps (15 events or more, less than five seconds apart on average), or at a volume no
    person reaches. It stands in a select over a session's counts and instants. -#}
{% macro is_bot_like() -%}
    (
        add_to_cart_count + remove_from_cart_count + checkout_start_count + purchase_count = 0
        and event_count >= 15
        and ({{ seconds_between('started_at', 'ended_at') }} < 5 * (event_count - 1) or event_count >= 500)
    )
{%- endmacro %}

{#- Three lines sent back or more, from two orders or more, and at least half of the units that are old enough to know. -#}
{% macro is_repeat_returner() -%}
    coalesce(returned_line_count >= 3 and returned_order_count >= 2 and return_pct >= 0.5, false)
{%- endmacro %}

{#- What to do about a SKU's stock, the first rule that holds. It stands in a select over the columns of mart_stock_health. -#}
{% macro stock_state() -%}
    case
        when units_on_hand = 0 then 'out_of_stock'
        when units_91d = 0 and known_days >= 91 then 'dead'
        when cover_days > 91 + coalesce(lead_time_days, 0) then 'overstock'
        when (units_on_hand + units_on_order) < units_per_day * lead_time_days then 'low'
        else 'healthy'
    end
{%- endmacro %}

{#- 1 for the lowest fifth of all rows to 5 for the highest; equal values score alike. -#}
{% macro score_5(value) -%}
    (1 + least(floor(5 * percent_rank() over (order by {{ value }})), 4))::integer
{%- endmacro %}

{#- The first rule that holds, over the scores of mart_customer_rfm. -#}
{% macro rfm_segment() -%}
    case
        when recency_score >= 4 and frequency_score >= 4 and monetary_score >= 4 then 'champion'
        when order_count = 1 and recency_score >= 4 then 'new'
        when recency_score >= 3 and frequency_score >= 3 then 'loyal'
        when recency_score <= 2 and frequency_score >= 3 then 'at_risk'
        when recency_score <= 2 then 'lapsed'
        else 'occasional'
    end
{%- endmacro %}

{#- What belongs to a cart, of a visitor's clicks. -#}
{% macro is_cart_event() -%}
    event_type in ('add_to_cart', 'remove_from_cart', 'checkout_start', 'purchase')
{%- endmacro %}
