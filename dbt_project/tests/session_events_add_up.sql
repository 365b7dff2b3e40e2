-- Every event is in exactly one session: all that was delivered, less what was delivered again and what was deleted.
with sessions as (select coalesce(sum(event_count), 0) as event_count from {{ ref('fct_sessions') }}),

held as (select count(*) as event_count from {{ ref('fct_events') }}),

delivered as (select count(*) as event_count from {{ source('raw', 'events') }} where {{ known_by_as_of() }}),

superseded as (select count(distinct (event_id, partition_on)) as event_count from {{ ref('stg_event_repeats') }}),

deleted as (

    select count(*) as event_count
    from {{ source('raw', 'events') }}
    where {{ known_by_as_of() }} and is_deleted
        and (event_id, ds) not in (select (event_id, partition_on) from {{ ref('stg_event_repeats') }})

)

select
    sessions.event_count as in_sessions,
    held.event_count as held,
    delivered.event_count as delivered,
    superseded.event_count as superseded,
    deleted.event_count as deleted
from sessions
cross join held
cross join delivered
cross join superseded
cross join deleted
where sessions.event_count != held.event_count
    or held.event_count != delivered.event_count - superseded.event_count - deleted.event_count
