-- Snapshots of tracks that are not in spotify.tracks.
select
    snapshots.track_id,
    snapshots.measured_on
from spotify.popularity_snapshots as snapshots
where not exists (
    select 1 from spotify.tracks as tracks
    where tracks.track_id = snapshots.track_id
)
