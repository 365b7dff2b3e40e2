-- People's sessions and bots' make up all sessions, and their events all events.
with funnel as (

    select
        coalesce(sum(session_count + bot_session_count), 0) as session_count,
        coalesce(sum(event_count + bot_event_count), 0) as event_count
    from {{ ref('mart_funnel_daily') }}

),

sessions as (

    select count(*) as session_count, coalesce(sum(event_count), 0) as event_count
    from {{ ref('fct_sessions') }}

)

select funnel.*, sessions.session_count as sessions, sessions.event_count as events
from funnel
cross join sessions
where funnel.session_count != sessions.session_count or funnel.event_count != sessions.event_count
