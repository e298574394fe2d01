-- Albums whose number of tracks is not what Spotify says it should be.
select
    releases.album_id,
    releases.total_tracks,
    count(tracks.track_id) as tracks_loaded
from spotify.releases as releases
left join spotify.tracks as tracks on releases.album_id = tracks.album_id
group by releases.album_id, releases.total_tracks
having count(tracks.track_id) <> releases.total_tracks
