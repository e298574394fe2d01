-- Tracks without details, on albums whose details were loaded: Spotify did not know the id it gave itself.
select
    tracks.album_id,
    tracks.track_id
from spotify.tracks as tracks
left join spotify.track_details as details
    on tracks.album_id = details.album_id and tracks.track_id = details.track_id
where
    details.track_id is null
    and exists (
        select 1 from spotify.track_details as loaded
        where loaded.album_id = tracks.album_id
    )
