-- Tracks without audio features whose turn to be asked for again came more than two days before :now: the daily run
-- does not come, or the source does not answer.
select
    attempts.track_id,
    attempts.attempts,
    attempts.last_asked_at
from ops.feature_attempts as attempts
where
    attempts.outcome = 'absent'
    and exists (
        select 1 from spotify.audio_features as features
        where features.track_id = attempts.track_id and features.status = 'absent'
    )
    and exists (
        select 1 from unnest(cast(:days as integer[])) as due (day)
        where
            attempts.first_asked_at + make_interval(days => due.day) < cast(:now as timestamptz) - interval '2 days'
            and attempts.last_asked_at < attempts.first_asked_at + make_interval(days => due.day)
    )
