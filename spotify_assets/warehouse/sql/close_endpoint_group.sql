-- Lets nobody call a group of endpoints before :closed_until; a later end that is known already stands.
insert into ops.call_closures as known (caller, endpoint_group, closed_until, cause, noted_at)
values (:caller, :endpoint_group, :closed_until, :cause, clock_timestamp())
on conflict (caller, endpoint_group) do update
    set closed_until = excluded.closed_until, cause = excluded.cause, noted_at = excluded.noted_at
    where known.closed_until < excluded.closed_until
