-- Tracks without audio features that are to be asked for again at :now: those that nobody could be asked about an hour
-- ago or earlier, and those of which a day of :days (after the first answer) has come since the latest answer.
select attempts.track_id
from ops.feature_attempts as attempts
where
    exists (
        select 1 from spotify.audio_features as features
        where features.track_id = attempts.track_id and features.status = 'absent'
    )
    and (
        (
            attempts.outcome = 'unanswered'
            and attempts.last_tried_at <= cast(:now as timestamptz) - interval '1 hour'
        )
        or (
            attempts.outcome = 'absent'
            and exists (
                select 1 from unnest(cast(:days as integer[])) as due (day)
                where
                    attempts.first_asked_at + make_interval(days => due.day) <= :now
                    and attempts.last_asked_at < attempts.first_asked_at + make_interval(days => due.day)
            )
        )
    )
order by attempts.track_id
