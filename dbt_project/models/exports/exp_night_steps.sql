select
    started_at,
    as_of,
    step,
    owner as run,
    outcome,
    error as failure_reason,
    error_kind as failure_kind,
    seconds,
    cpu_seconds,
    memory_mb as process_peak_mb,
    rows_in,
    rows_loaded as rows_out,
    rows_quarantined,
    models as model_seconds
from {{ source('ledger', 'attempts') }}
where as_of <= {{ as_of() }}
