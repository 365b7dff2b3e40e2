{{ config(materialized='incremental', pre_hook="{{ delete_touched('return_id', 'returns') }}") }}
select
    returns.return_id,
    returns.order_line_id,
    returns.requested_on,
    {{ return_known_on('returns') }} as known_on,
    returns.units as units_requested
from {{ ref('stg_returns') }} as returns
inner join {{ ref('fct_order_lines') }} as lines on lines.order_line_id = returns.order_line_id
where not lines.is_orphan and {{ is_touched('returns.return_id', 'returns') }}
