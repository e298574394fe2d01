-- Tracks without a row of audio features, on albums whose features were loaded, and rows without a track.
select
    coalesce(tracks.album_id, features.album_id) as album_id,
    coalesce(tracks.track_id, features.track_id) as track_id
from spotify.tracks as tracks
full join spotify.audio_features as features
    on tracks.album_id = features.album_id and tracks.track_id = features.track_id
where
    tracks.track_id is null
    or (
        features.track_id is null
        and exists (
            select 1 from spotify.audio_features as loaded
            where loaded.album_id = tracks.album_id
        )
    )
