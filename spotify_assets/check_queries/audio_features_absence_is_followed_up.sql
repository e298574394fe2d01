-- Tracks without audio features of which no attempt is recorded: nobody would ever ask for them again.
select
    features.album_id,
    features.track_id
from spotify.audio_features as features
left join ops.feature_attempts as attempts
    on features.track_id = attempts.track_id
where features.status = 'absent' and (attempts.track_id is null or attempts.outcome = 'measured')
