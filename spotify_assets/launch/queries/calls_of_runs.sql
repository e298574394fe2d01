-- What the runs :run_ids called, by endpoint; failed steps and those that were tried again included.
select
    endpoint,
    cast(sum(calls) as integer) as calls
from ops.api_calls
where run_id = any(:run_ids) and calls > 0
group by endpoint
