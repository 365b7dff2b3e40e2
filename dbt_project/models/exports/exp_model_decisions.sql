select
    decided_at,
    model,
    kind as decision,
    decided_by,
    method as learned_by,
    model_version,
    previous_model_version,
    registered_version,
    as_of as last_learned_on,
    snapshot_hash,
    reason as decision_reason,
    figures
from {{ source('decisions', 'model_decisions') }}
where as_of <= {{ as_of() }}
