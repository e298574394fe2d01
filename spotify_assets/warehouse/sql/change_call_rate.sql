-- Changes what is known of a service's limit, unless another caller has changed it since it was read as :version
-- (0: there was no row): then no row comes back.
insert into ops.call_rates as known (
    caller,
    service,
    calls_per_window,
    next_call_at,
    paused_until,
    slowed_at,
    raised_at,
    recent_slices,
    recent_calls,
    version
)
values (
    :caller,
    :service,
    :calls_per_window,
    :next_call_at,
    :paused_until,
    :slowed_at,
    :raised_at,
    cast(:recent_slices as bigint[]),
    cast(:recent_calls as integer[]),
    :version + 1
)
on conflict (caller, service) do update
    set
        calls_per_window = excluded.calls_per_window,
        next_call_at = excluded.next_call_at,
        paused_until = excluded.paused_until,
        slowed_at = excluded.slowed_at,
        raised_at = excluded.raised_at,
        recent_slices = excluded.recent_slices,
        recent_calls = excluded.recent_calls,
        version = excluded.version
    where known.version = :version
returning known.version
