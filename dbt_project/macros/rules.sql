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
