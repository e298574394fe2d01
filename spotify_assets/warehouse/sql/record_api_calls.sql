-- Records what a step cost. :rows is a JSON array with a row for each endpoint; a retry of the step adds up.
insert into ops.api_calls as known (
    run_id,
    asset,
    endpoint,
    access,
    calls,
    rate_limited,
    seconds_waited,
    saved_by_batching,
    saved_by_skipping,
    first_at,
    last_at
)
select
    :run_id as run_id,
    :asset as asset,
    made.endpoint,
    :access as access,
    made.calls,
    made.rate_limited,
    made.seconds_waited,
    made.saved_by_batching,
    made.saved_by_skipping,
    :first_at as first_at,
    :last_at as last_at
from
    jsonb_to_recordset(cast(:rows as jsonb)) as made (
        endpoint text,
        calls integer,
        rate_limited integer,
        seconds_waited double precision,
        saved_by_batching integer,
        saved_by_skipping integer
    )
order by made.endpoint
on conflict (run_id, asset, endpoint) do update
    set
        access = excluded.access,
        calls = known.calls + excluded.calls,
        rate_limited = known.rate_limited + excluded.rate_limited,
        seconds_waited = known.seconds_waited + excluded.seconds_waited,
        saved_by_batching = known.saved_by_batching + excluded.saved_by_batching,
        saved_by_skipping = known.saved_by_skipping + excluded.saved_by_skipping,
        last_at = excluded.last_at
