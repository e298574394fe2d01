-- Records how it went to ask for the audio features of tracks. :rows is a JSON array of track_id and outcome.
-- Only tracks that had none at some time have a row: that one was measured at once is seen in its features.
insert into ops.feature_attempts as known (track_id, outcome, attempts, first_asked_at, last_asked_at, last_tried_at)
select
    tried.track_id,
    tried.outcome,
    cast(tried.outcome <> 'unanswered' as integer) as attempts,
    case when tried.outcome <> 'unanswered' then cast(:asked_at as timestamptz) end as first_asked_at,
    case when tried.outcome <> 'unanswered' then cast(:asked_at as timestamptz) end as last_asked_at,
    :asked_at as last_tried_at
from jsonb_to_recordset(cast(:rows as jsonb)) as tried (track_id text, outcome text)
left join ops.feature_attempts as earlier
    on tried.track_id = earlier.track_id
where tried.outcome <> 'measured' or earlier.track_id is not null
order by tried.track_id
on conflict (track_id) do update
    set
        outcome = excluded.outcome,
        attempts = known.attempts + excluded.attempts,
        first_asked_at = coalesce(known.first_asked_at, excluded.first_asked_at),
        last_asked_at = coalesce(excluded.last_asked_at, known.last_asked_at),
        last_tried_at = excluded.last_tried_at
