-- What is known of a service's limit, whether the group of endpoints is closed at :now, and the database's time, since
-- machines may disagree about theirs. Always one row.
select
    rates.calls_per_window,
    rates.next_call_at,
    rates.paused_until,
    rates.slowed_at,
    rates.raised_at,
    rates.recent_slices,
    rates.recent_calls,
    rates.version,
    closures.closed_until,
    closures.cause,
    clock_timestamp() as asked_at
from (values (cast(:caller as text))) as asking (caller)
left join ops.call_rates as rates
    on asking.caller = rates.caller and rates.service = :service
left join ops.call_closures as closures
    on
        asking.caller = closures.caller
        and closures.endpoint_group = :endpoint_group
        and closures.closed_until > :now
