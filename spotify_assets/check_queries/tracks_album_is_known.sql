-- Tracks whose album is not in spotify.releases.
select
    tracks.album_id,
    tracks.track_id
from spotify.tracks as tracks
left join spotify.releases as releases on tracks.album_id = releases.album_id
where releases.album_id is null
