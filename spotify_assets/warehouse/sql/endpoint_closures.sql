-- The groups of endpoints that must not be called at :now.
select
    closures.endpoint_group,
    closures.closed_until,
    closures.cause
from ops.call_closures as closures
where closures.caller = any(:callers) and closures.closed_until > :now
order by closures.endpoint_group
