{{ config(materialized='incremental', pre_hook="{{ delete_touched_repeats() }}") }}
-- Few clicks are delivered twice: they are found by a number that stands for their id. Read twice rather than kept.
with repeated as (

    select event_id, ds from ({{ deliveries_of_touched_events() }}) as deliveries
    where {{ fast_hash(['event_id']) }} in (
        select {{ fast_hash(['event_id']) }}
        from ({{ deliveries_of_touched_events() }}) as deliveries
        group by {{ fast_hash(['event_id']) }}
        having count(*) > 1
    )

)

select
    earlier.event_id,
    earlier.ds as partition_on,
    later.ds as superseded_on
from repeated as earlier
inner join repeated as later on later.event_id = earlier.event_id
where later.ds > earlier.ds and later.ds <= {{ add_days('earlier.ds', var('event_repeat_days')) }}
